"""transfer check DATA: what is wrong with a folder of images."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from transfer.cli.console import tell, tell_json, watched
from transfer.cli.options import given, recipe_options
from transfer.cli.tables import counted
from transfer.errors import DataError
from transfer.recipe.reading import READING
from transfer.system.progress import warn_unused
from transfer.system.terminal import visible

if TYPE_CHECKING:
    from transfer.api.data_check import Checkup, Finding

_SHOWN = 5
_MEMBERS = 4
_CLASSES = 20
_JOINED = {"copies": " = ", "near": " ~ ", "confusable": " and "}


@click.command(short_help="Check a folder of images for problems.")
@click.argument("data")
@click.option(
    "--check",
    metavar="quick|full",
    default="quick",
    help="full decodes every file again, at full resolution.  [default: quick]",
)
@click.option("--fix-list", type=click.Path(), metavar="FILE", help="Write suggested fixes as CSV.")
@click.option(
    "--fix-page",
    type=click.Path(),
    metavar="FILE",
    help="Write a page on which to choose the fixes by eye.",
)
@click.option(
    "--label-errors",
    type=click.Path(),
    metavar="RUN",
    help="Show on it, too, the images whose labels look wrong to RUN.",
)
@click.option(
    "--on-bad",
    type=click.Choice(["skip", "fail"]),
    default="skip",
    show_default=True,
    help="fail is the same as --strict.",
)
@click.option(
    "--strict", is_flag=True, help="Exit with 2 also for unusable files and copies across classes."
)
@partial(recipe_options, names=READING)
@click.option("--json", "as_json", is_flag=True, help="Print all findings as JSON on stdout.")
def check(
    data: str,
    check: str,
    fix_list: str | None,
    fix_page: str | None,
    label_errors: str | None,
    on_bad: str,
    strict: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Check DATA (as for finetune) for problems: unusable, odd and blank images, copies and near
    duplicates, classes without images, and more. No file is changed.

    The exit code is 2 if training would be refused: for errors, and with --strict (or --on-bad
    fail, the same) for problems too.
    """
    from transfer import api
    from transfer.api.data_check import SEVERITIES, check_fix_list, check_fix_page

    if fix_list is not None:
        check_fix_list(fix_list)
    if fix_page is not None:
        check_fix_page(fix_page)
    with watched():
        warn_unused(["label_errors"] * bool(label_errors and not fix_page), "without --fix-page")
        result = api.check(data, check=check, **given(options))
    if as_json:
        tell_json(result.to_dict(), indent=2)
    else:
        tell(_report(result, SEVERITIES))
    if fix_list is not None:
        result.write_fixes(fix_list)
    if fix_page is not None:
        result.write_fix_page(fix_page, label_errors)
    if refused := result.refused(strict or on_bad == "fail"):
        raise DataError(f"Training is refused: {'; '.join(each.title for each in refused)}.")


def _report(result: Checkup, severities: dict[str, str]) -> str:
    lines = [f"Read as: {result.read_as}", _summary(result), *_sizes(result)]
    return "\n".join([*lines, *_sections(result, severities)])


def _summary(result: Checkup) -> str:
    names = {name for each in result.counts.values() for name in each}
    parts = ", ".join(f"{split} {size:,}" for split, size in result.sizes.items() if split)
    apart = "" if result.negatives is None else f"; {counted(result.negatives, 'usable negative')}"
    return (
        f"{result.data}: {counted(result.images, 'image')} of {counted(len(names), 'class')}"
        f"{f' ({parts})' * bool(parts)}, {result.usable:,} of them usable{apart}"
    )


def _sizes(result: Checkup) -> Iterator[str]:
    """Yield the classes of each split with their numbers of images."""
    for split, sizes in result.counts.items():
        shown = [f"{visible(name)} {size:,}" for name, size in sizes.items()]
        more = f" and {len(shown) - _CLASSES} more classes" * (len(shown) > _CLASSES)
        yield f"  {f'{split}: ' * bool(split)}{', '.join(shown[:_CLASSES])}{more}"


def _sections(result: Checkup, severities: dict[str, str]) -> Iterator[str]:
    for severity, findings in itertools.groupby(result.findings, lambda each: each.severity):
        yield f"\n{severity.upper()} ({severities[severity]})"
        for finding in findings:
            yield f"  {finding.title}. {finding.advice}".rstrip()
            yield from (f"      {_line(finding, item)}" for item in finding.items[:_SHOWN])
            if len(finding.items) > _SHOWN:
                yield f"      and {len(finding.items) - _SHOWN:,} more"
    if not result.findings:
        yield "No problems found."
    elif any(len(each.items) > _SHOWN for each in result.findings):
        yield "\nFor the full list: --json. For the suggested fix of each file: --fix-list FILE."


def _line(finding: Finding, item: tuple[str, ...]) -> str:
    shown = [visible(each) for each in item[:_MEMBERS]]
    more = f" and {len(item) - _MEMBERS} more" * (len(item) > _MEMBERS)
    return _JOINED.get(finding.kind.split("-")[0], ": ").join(shown) + more
