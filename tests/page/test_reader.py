"""The reader's test: from the page alone to the command behind a number, and the number again."""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmark.recording import records
from tests.page import screenshots
from tests.page.conftest import Open

SEED = 0


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("committed") / "index.html"
    path.write_text(screenshots.content(), encoding="utf-8")
    return path


def read(page: Any) -> tuple[str, str, float, list[float]]:
    """Hash, command and accuracy of the reference at one seed, and its accuracies at all seeds."""
    page.locator("#board tr", has_text="reference").locator("button.open").click()
    detail = page.locator("#detail")
    command = detail.locator(".commands li", has_text=f"seed {SEED}").first.locator("code")
    cells = detail.locator("section", has_text="Every seed").first.locator("tbody tr")
    shares = {
        line.locator("th").inner_text(): float(line.locator("td").first.inner_text())
        for line in cells.all()
    }
    found = detail.locator("dt:text-is('Experiment') + dd").inner_text()
    return found, command.inner_text(), shares[str(SEED)], list(shares.values())


@pytest.mark.slow
def test_any_number_can_be_made_again(visit: Open, committed: Path, tmp_path: Path) -> None:
    """Exactly so on the machine that made it; elsewhere within the spread of the seeds."""
    wanted, command, accuracy, all_seeds = read(visit(content=committed))
    words = shlex.split(command)
    assert words[:3] == ["python", "-m", "benchmark"]
    root = Path(__file__).resolve().parents[2]
    subprocess.run(
        [sys.executable, *words[1:], f"out={tmp_path}", "progress=false"],
        check=True, cwd=root, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True,
    )  # fmt: skip
    ((_, record),) = records.find(tmp_path)
    assert isinstance(record, records.Record)
    assert record.experiment.hash == wanted and record.seed == SEED
    again = round(100 * record.metrics.accuracy, 2)
    print(f"{command}: {accuracy} on the page, {again} now")
    assert min(all_seeds) <= again <= max(all_seeds)


def test_every_cell_of_the_committed_page_leads_to_a_command(visit: Open, committed: Path) -> None:
    page = visit(content=committed)
    faults = page.evaluate("""() => {
      const data = JSON.parse(document.querySelector("#data").textContent);
      const all = JSON.parse(document.querySelector("#details").textContent);
      const at = data.fields.indexOf("detail");
      const rows = [...data.tables.flatMap((each) => each.rows),
        ...data.grids.flatMap((each) => each.entries)];
      return rows.filter((row) => {
        const command = all.details[row[at]].command;
        const words = Array.isArray(command) ? command : [command];
        return !words.every((each) => all.strings[each].startsWith("python -m benchmark run "));
      }).length;
    }""")
    assert faults == 0
