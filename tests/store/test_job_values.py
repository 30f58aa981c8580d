"""The fields that a change may set are those of the record."""

from __future__ import annotations

from dataclasses import fields

from tui.store.job_values import JobValues
from tui.store.records import JobRecord


def test_a_change_may_set_each_field_but_the_id_and_the_revision() -> None:
    record = {item.name for item in fields(JobRecord)}
    assert set(JobValues.__annotations__) == record - {"job_id", "rev"}
