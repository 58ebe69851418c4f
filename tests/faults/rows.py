"""What can go wrong, what is then said, and the test that makes it go wrong."""

from dataclasses import dataclass
from pathlib import Path

from tests.faults.test_again import CASES

SILENT = "goes on"


@dataclass(frozen=True)
class Row:
    """One fault.

    Attributes:
        fault: what happens.
        to: what it happens to.
        said: what the message contains, or that nothing needs to be said.
        test: id of the test that causes it, below ``tests/faults``; it asserts that no finished
            result is lost and that the numbers are those of an undisturbed run, or that the file is
            refused.
    """

    fault: str
    to: str
    said: str
    test: str


def _cases() -> tuple[Row, ...]:
    test = "test_again.py::test_the_same_command_again"
    return tuple(
        Row(damage, Path(at).name, said or SILENT, f"{test}[{Path(at).name}-{damage}]")
        for at, damage, said in CASES
    )


MOMENTS, DISKS, LOCKS, ODD = (
    f"test_{name}.py::" for name in ("moments", "disks", "locks", "surroundings")
)
ROWS = (
    *_cases(),
    Row("a newer version's form", "every file with a version", "check --all",
        "test_check_all.py::test_a_file_of_a_newer_version_is_not_read_as_ours"),
    Row("cut short, emptied, deleted, a bit turned, a folder", "one file of each kind",
        "check --all", "test_check_all.py::test_damage_is_found"),
    Row("one random byte", "one file of each kind", "check --all",
        "test_check_all.py::test_one_random_byte_is_found_or_is_harmless"),
    Row("cut short, emptied, a bit turned", "checkpoint.pt",
        "delete the file; the run then starts from the beg",
        "test_train_resume.py::test_a_damaged_checkpoint_stops_the_run_with_advice"),
    Row("damaged", "checkpoint of a fit", "delete",
        "test_fitting_resume.py::test_a_damaged_checkpoint_is_explained"),
    Row("a bit turned", "fit adapter", "Expected an adapter with hash",
        "test_fitting_resume.py::test_a_damaged_adapter_is_not_drawn_with"),
    Row("cut short, altered, gone", "image of a collection", "collect again",
        "test_collections_damage.py::test_a_damaged_image_is_never_trained_on"),
    Row("edited", "rows.jsonl, collection.json", "rows.jsonl",
        "test_collections_damage.py::test_an_edited_collection_is_refused"),
    Row("damaged", "screen of a collection", SILENT,
        "test_collections_damage.py::test_a_damaged_screen_is_named"),
    Row("damaged", "store.json", "IntegrityError", "test_data_storage.py::test_damaged_marker"),
    Row("a torn last line", "results of a pool", SILENT,
        "test_pool_faults.py::test_a_torn_last_line_is_drawn_again"),
    Row("altered by hand", "record.json", "delete it and run again",
        "test_records_broken.py::test_an_altered_record_names_its_first_problem"),
    Row("altered", "predictions of a leaderboard", "predictions",
        "test_records_tables.py::test_predictions_that_were_changed_stop_the_tables"),
    # stopped
    Row("kill -9 while drawing, training, training the head", "run", SILENT,
        "test_kill_cli.py::test_a_killed_command_given_again_ends_where_an_undisturbed_one_does"),
    Row("kill -9 at random moments", "run and pool", SILENT,
        f"{MOMENTS}test_killed_at_random_moments"),
    Row("SIGTERM, SIGINT at random moments", "run and pool", SILENT,
        f"{MOMENTS}test_asked_to_stop_at_random_moments"),
    Row("Ctrl-C", "run, drawing and training", "error: Stopped",
        "test_kill_cli.py::test_ctrl_c_says_how_to_go_on_and_keeps_the_state"),
    Row("Ctrl-C twice", "run", SILENT, f"{MOMENTS}test_asked_twice_it_stops_at_once"),
    Row("SIGHUP", "run", SILENT, f"{MOMENTS}test_a_terminal_that_is_closed_is_a_kill"),
    Row("the parent is killed", "grid with workers=2", SILENT,
        f"{MOMENTS}test_two_workers_of_which_one_process_dies"),
    Row("a worker is killed", "grid with workers=2", SILENT,
        f"{MOMENTS}test_two_workers_of_which_one_process_dies"),
    Row("kill -9", "pool", SILENT,
        "test_pool_faults.py::test_a_killed_pool_resumes_without_duplicates"),
    Row("kill -9 again and again beside another worker", "pool", SILENT,
        "test_pool_workers.py::test_a_pool_survives_kills_beside_another_worker"),
    Row("kill -9", "conversion of a data set", SILENT,
        "test_data_storage.py::test_a_killed_conversion_goes_on"),
    Row("kill -9 just before the rename", "conversion of a data set", SILENT,
        "test_data_storage.py::test_killed_before_the_rename"),
    Row("kill -9", "import of a collection", SILENT,
        "test_collections_damage.py::test_a_killed_import_is_done_again_whole"),
    Row("kill -9, SIGTERM", "fetch of a collection", SILENT,
        "test_collections_fetch.py::test_a_stopped_fetch_goes_on_where_it_was"),
    Row("kill -9", "fit", SILENT,
        "test_fitting_resume.py::test_a_killed_fit_goes_on_and_gives_the_same_weights"),
    Row("kill -9", "search", SILENT,
        "test_search_cli.py::test_a_killed_search_goes_on_with_the_trials_it_has"),
    # disks
    Row("disk full, at every point, on a real disk that grows", "run and pool",
        "error: The disk is full", f"{DISKS}test_a_disk_full_at_every_point_of_a_run"),
    Row("no inode left, at every point", "run and pool", "nr_inodes",
        f"{DISKS}test_a_disk_without_room_for_another_file"),
    Row("disk full", "run made again (on_existing=rerun)", SILENT,
        f"{DISKS}test_a_disk_full_while_a_finished_run_is_made_again"),
    Row("disk full", "preparing a data set", "The disk is full",
        f"{DISKS}test_a_disk_full_while_data_are_prepared"),
    Row("disk full", "report", "The disk is full",
        f"{DISKS}test_a_disk_full_while_tables_are_written"),
    Row("file above the quota (RLIMIT_FSIZE)", "checkpoint", "Cannot write: File too large",
        f"{DISKS}test_a_file_above_the_quota"),
    Row("read-only disk", "finished runs", "permission was denied",
        f"{DISKS}test_what_is_finished_can_be_looked_at_on_a_read_only_disk"),
    Row("folders that may not be written", "runs and cache",
        "Expected a writable folder, but permission was denied",
        f"{DISKS}test_a_folder_that_may_not_be_written"),
    Row("temporary folder on another disk", "all", SILENT,
        f"{DISKS}test_nothing_is_renamed_from_one_disk_to_another"),
    Row("a file in the way of the cache", "data set", "Cannot write",
        "test_data_storage.py::test_cache_below_a_file"),
    # locks
    Row("no locks (ENOSYS, ENOLCK, EOPNOTSUPP)", "what one process may do", SILENT,
        f"{LOCKS}test_without_locks_one_process_at_a_time_holds"),
    Row("no locks, or 20 ms for each call", "pool, two processes", SILENT,
        f"{LOCKS}test_two_processes_draw_once_on_such_a_file_system"),
    Row("the holder is killed", "lock, marker", SILENT,
        f"{LOCKS}test_the_lock_of_a_killed_process_is_free"),
    Row("the holder is on another machine", "run", "if it is gone, delete",
        f"{LOCKS}test_a_run_held_elsewhere_names_the_machine"),
    Row("only one of two machines has locks", "lock, marker", SILENT,
        f"{LOCKS}test_who_has_locks_waits_for_who_has_none"),
    Row("locking fails otherwise", "lock", "StorageError: Cannot write",
        f"{LOCKS}test_any_other_error_of_a_lock_is_told"),
    # together
    Row("two processes", "one run", "Another process is running this experiment",
        "test_together.py::test_two_processes_at_one_run"),
    Row("two processes", "one stage, one cache", SILENT,
        "test_together.py::test_two_runs_that_share_a_stage_and_a_cache"),
    Row("two processes", "one pool", SILENT, "test_pool_faults.py::test_two_processes_draw_once"),
    Row("two processes", "one fit", SILENT,
        "test_fitting_resume.py::test_two_processes_do_not_fit_the_same_twice"),
    Row("two processes", "one data set", SILENT,
        "test_data_storage.py::test_two_processes_convert_once"),
    Row("two processes", "one grid", SILENT,
        "test_grid_faults.py::test_two_processes_make_every_run_once"),
    Row("two reports at once", "one leaderboard", SILENT,
        "test_records_tables.py::test_two_processes_write_at_once"),
    Row("collecting while two reports are made", "one leaderboard", SILENT,
        "test_together.py::test_records_are_collected_while_tables_are_made"),
    Row("two processes", "remembered hashes", SILENT,
        "test_together.py::test_two_processes_remember_hashes"),
    # network
    Row("the line breaks once; 503, then well", "weights of the hub", SILENT,
        "test_hub_network.py::test_a_fault_that_passes_is_overcome"),
    Row("503 for good, too few bytes, too many", "weights of the hub",
        "Expected to fetch owner/name",
        "test_hub_network.py::test_a_fault_that_stays_is_one_error_and_nothing_half_counts"),
    Row("no server", "weights of the hub", "Expected to fetch owner/name",
        "test_hub_network.py::test_no_hub_at_all_is_said_in_seconds"),
    Row("404, a page, half an image, endless redirects", "images of a list of URLs", SILENT,
        "test_collections_fetch.py::test_a_failure_is_recorded_with_its_reason"),
    Row("other bytes than promised", "images of a list of URLs", SILENT,
        "test_collections_fetch.py::test_other_bytes_than_the_list_promises_are_a_failure"),
    # surroundings
    Row("spaces, unicode, a newline, quotes, 200 letters", "name of a folder", SILENT,
        f"{ODD}test_odd_folders"),
    Row("300 letters", "name of a folder", "Cannot write: File name too long",
        f"{ODD}test_a_path_that_is_too_long_is_one_line"),
    Row("links", "runs and cache", SILENT, f"{ODD}test_a_linked_folder_is_followed"),
    Row("umask, locale, time zone, no HOME, COLUMNS=1, no stdin", "run, status", SILENT,
        f"{ODD}test_odd_settings"),
    Row("stdout or stderr closed, nobody reads", "run", SILENT, f"{ODD}test_no_one_to_talk_to"),
    Row("the clock is a year off, or jumps during a run", "run, pool, status", SILENT,
        f"{ODD}test_the_clock_jumps_during_and_between_runs"),
    Row("no memory (RLIMIT_AS)", "run", "The machine has too little memory",
        f"{ODD}test_too_little_memory_costs_no_result"),
    Row("a header that promises terabytes", "safetensors, npz", "Expected a",
        f"{ODD}test_a_header_of_terabytes_takes_no_memory"),
    Row("PYTHONHASHSEED", "run", SILENT, f"{ODD}test_the_order_of_hashes_changes_nothing"),
)  # fmt: skip
