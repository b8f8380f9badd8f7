"""
Reports that food law asks for, each one file, found by name here.

    fsma204    21 CFR part 1, subpart S: the sortable spreadsheet

Everything in a report is derived from the log; each row names its place there.
"""

from collections.abc import Mapping

from ledger.reports.fsma204 import Fsma204
from ledger.reports.interface import BadQuery, Query, Report, Table
from ledger.reports.writers import MEDIA, render

REPORTS: Mapping[str, Report] = {report.name: report for report in (Fsma204(),)}

__all__ = ["MEDIA", "REPORTS", "BadQuery", "Query", "Report", "Table", "render"]
