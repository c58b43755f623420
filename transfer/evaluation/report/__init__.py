"""The report: one page that shows what is known about predictions."""

from transfer.evaluation.report.page import write_report

__all__ = ["write_report"]
