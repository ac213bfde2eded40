"""Schemas and rules for model definitions and packages, and the findings that validation reports.

Part of dlpk. Importing this package is cheap: the JSON Schema library is loaded when something is
validated.
"""

from __future__ import annotations

from .emd.rules import RULES, Rule
from .emd.validate import parse_emd, validate_emd
from .errors import DlpkError
from .findings import Finding, Report, Severity
from .manifest import validate_golden, validate_manifest
from .violations import SCHEMAS, load_schema

__all__ = [
    "RULES",
    "SCHEMAS",
    "DlpkError",
    "Finding",
    "Report",
    "Rule",
    "Severity",
    "load_schema",
    "parse_emd",
    "validate_emd",
    "validate_golden",
    "validate_manifest",
]
