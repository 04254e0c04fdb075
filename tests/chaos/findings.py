"""What a check found: how much it looked at, and every violation in words."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

SHOWN = 5


@dataclass
class Finding:
    """One check's result; `note` holds what was measured on the way, `needed` says that looking at nothing is wrong."""

    check: str
    examined: int
    violations: list[str] = field(default_factory=list)
    note: str = ""
    needed: bool = True

    @property
    def empty(self) -> bool:
        """Whether there was nothing to look at although there should have been."""
        return self.needed and self.examined == 0


def violations(findings: Iterable[Finding]) -> list[str]:
    """Every violation with the name of its check; a check that looked at nothing is one too."""
    found = []
    for finding in findings:
        if finding.empty:
            found.append(f"{finding.check}: nothing was examined")
        found.extend(f"{finding.check}: {violation}" for violation in finding.violations)
    return found


def show(title: str, findings: Iterable[Finding]) -> None:
    """Print the table, and the first violations of each check."""
    console = Console(width=120, soft_wrap=True)
    table = Table("check", "examined", "wrong", "measured", title=title, title_justify="left")
    listed = list(findings)
    for finding in listed:
        wrong = "empty" if finding.empty else str(len(finding.violations))
        style = "" if wrong == "0" else "bold red"
        table.add_row(finding.check, str(finding.examined), wrong, finding.note, style=style)
    console.print(table)
    for finding in listed:
        for violation in finding.violations[:SHOWN]:
            console.print(f"  {finding.check}: {violation}", style="red", markup=False, highlight=False)
        if len(finding.violations) > SHOWN:
            console.print(f"  {finding.check}: and {len(finding.violations) - SHOWN} more")
