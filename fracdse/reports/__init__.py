"""Readers of vendor reports: Vivado, Vivado HLS, Vitis HLS and Yosys."""

from fracdse.reports.listing import list_reports
from fracdse.reports.parts import device_of
from fracdse.reports.reading import read_report, read_report_text
from fracdse.reports.report import Report, ReportKind

__all__ = ["Report", "ReportKind", "device_of", "list_reports", "read_report", "read_report_text"]
