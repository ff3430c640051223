"""The terms to check by: those of the catalogue in force, indexed once per version."""

from __future__ import annotations

from http import HTTPStatus

from fourones_shared.http.problems import Problem
from fourones_shared.reference import ReferenceCopy
from fourones_submission.domain.terms import Terms


class TermsInForce:
    """Keeps the index of the newest catalogue version."""

    def __init__(self, reference: ReferenceCopy) -> None:
        self._reference = reference
        self._terms: Terms | None = None

    def now(self) -> Terms:
        """The terms in force.

        Raises:
            Problem: 503 before there is a catalogue.
        """
        in_force = self._reference.in_force
        if in_force is None:
            detail = "尚未发布数据字典,暂不能报送:请稍后再试,或联系管理员"
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": "5"})
        version, catalogue = in_force
        if self._terms is None or self._terms.version != version:
            self._terms = Terms(version, catalogue)
        return self._terms
