"""Files of static plots: names, sizes, bytes that repeat, and the words of the command line."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from benchmark.boards.leaderboard import Table
from benchmark.errors import DataError, UsageError
from benchmark.recording import records
from benchmark.report import plots
from benchmark.report.plotting import catalogue, style
from benchmark.verbs import cli
from tests.conftest import ROOT
from tests.fixtures import boards
from tests.fixtures.boards import one, runs
from tests.fixtures.documents import blocks
from tests.fixtures.plots import crossed, curved


@pytest.fixture
def table() -> Table:
    return one(boards.board())


@pytest.fixture
def drawn(table: Table) -> list[catalogue.Plot]:
    return [*catalogue.of_table(table), *catalogue.of_grids([curved(), crossed()])]


def test_every_kind_of_plot_has_a_name(drawn: list[catalogue.Plot], table: Table) -> None:
    where = f"shapes-{table.key.short_hash}"
    assert [plot.name for plot in drawn] == [
        f"leaderboard-{where}", f"cost-{where}", f"tail-{where}", f"groups-{where}",
        "figure3-shapes", "matrix-shapes-accuracy", "matrix-shapes-gain",
    ]  # fmt: skip


def test_all_files_are_one_column_wide(drawn: list[catalogue.Plot], tmp_path: Path) -> None:
    for plot in drawn:
        plots.write(plot, tmp_path)
        with Image.open(tmp_path / f"{plot.name}.png") as image:
            assert image.width == int(style.WIDTH * style.DOTS_PER_INCH)
        vector = (tmp_path / f"{plot.name}.svg").read_text()
        assert f'width="{style.WIDTH * 72:g}pt"' in vector
        assert "<dc:date>" not in vector
        caption = (tmp_path / f"{plot.name}.txt").read_text()
        assert caption.count("\n") == 1 and caption.endswith(f"report plots {plot.name}\n")
    assert len(list(tmp_path.iterdir())) == 3 * len(drawn)


def test_bytes_repeat(drawn: list[catalogue.Plot], tmp_path: Path) -> None:
    chosen = [drawn[3], drawn[4]]
    for folder in ("a", "b"):
        for plot in chosen:
            plots.write(plot, tmp_path / folder)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_one_row_makes_no_plots() -> None:
    assert catalogue.of_table(one(runs("plain", 60))) == []


def test_a_balanced_set_has_no_tail() -> None:
    even = {"dataset__counts_real": (30,) * 4}
    found = one([*runs("plain", 60, **even), *runs("other", 70, **even)])
    assert [plot.kind for plot in catalogue.of_table(found)] == ["leaderboard"]


def test_grids_of_one_figure_share_its_axes() -> None:
    pair = [replace(curved(), name=name) for name in ("figure2a", "figure2b")]
    (plot,) = catalogue.of_grids(pair)
    assert (plot.name, plot.kind) == ("figure2-shapes", "figure2")
    assert plot.caption.startswith("A title (shapes); A title (shapes).")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("figur3", r"Unknown plot 'figur3'.*did you mean figure3"),
        ("figure2a", "did you mean figure2"),
        ("leaderbord", "did you mean leaderboard"),
    ],
)
def test_a_typo_names_the_nearest_plots(
    name: str, message: str, tmp_path: Path, table: Table
) -> None:
    for number, record in enumerate(boards.board()):
        records.save(tmp_path / "in" / str(number) / "record.json", record)
    with pytest.raises(UsageError, match=message):
        plots.main([name, "--records", str(tmp_path / "in"), "--to", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_the_command_writes_what_is_named(tmp_path: Path, capsys: Any, table: Table) -> None:
    for number, record in enumerate(boards.board()):
        records.save(tmp_path / "in" / str(number) / "record.json", record)
    out, where = tmp_path / "out", f"shapes-{table.key.short_hash}"
    words_ = ["report", "plots", "tail", f"cost-{where}", "figure4", "sheet", "--row", "close"]
    assert cli.main([*words_, "--records", str(tmp_path / "in"), "--to", str(out)]) == 0
    assert {path.stem for path in out.iterdir()} == {f"tail-{where}", f"cost-{where}"}
    assert "Rows: close." in (out / f"tail-{where}.txt").read_text()
    said = capsys.readouterr().out
    assert "figure4: nothing to draw; run: python -m benchmark run grid=figure4" in said
    assert "sheet: nothing to draw; run: python -m benchmark run grid=figure4" in said
    with pytest.raises(UsageError, match=r"Unknown row 'clsoe'.*did you mean close"):
        plots.main(["--row", "clsoe", "--records", str(tmp_path / "in")])


def test_without_matplotlib_the_extra_is_named(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from benchmark.verbs import cli; sys.exit(cli.main(['report', 'plots']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == DataError.exit_code
    (line,) = done.stderr.strip().splitlines()
    assert "Expected matplotlib" in line and "pip install 'synaug-bench[report]'" in line


def test_importing_the_plots_imports_neither_matplotlib_nor_torch() -> None:
    code = (
        "import sys; import benchmark.report.plots\n"
        "print({'matplotlib', 'torch', 'diffusers'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"


def test_the_docs_say_how_to_restyle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, record in enumerate(boards.board()):
        records.save(tmp_path / f"leaderboards/records/{number}/record.json", record)
    monkeypatch.chdir(tmp_path)
    exec("\n".join(blocks(ROOT / "docs" / "plots.md", "python")), {})
    assert {path.name for path in tmp_path.glob("*.pdf")} == {"leaderboard.pdf", "both.pdf"}
