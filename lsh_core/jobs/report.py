"""Report of an evaluated build; it can be drawn again from its stored figures."""

from __future__ import annotations

from dataclasses import dataclass

from lsh_core.builds.records import BuildRecords
from lsh_core.elastic.refusals import errors_named
from lsh_core.errors import NotFoundError
from lsh_core.evaluation.evaluation_report import EvaluationReport
from lsh_core.evaluation.report_folder import write_report
from lsh_core.jobs.builds import live_build
from lsh_core.jobs.services import Services
from lsh_core.json_form import JsonForm
from lsh_core.settings import ReportSettings


@dataclass(frozen=True, kw_only=True)
class WrittenReport(JsonForm):
    """Build, and the path or URL of its report page."""

    name: str
    build: str
    report: str


@errors_named()
def report(settings: ReportSettings, services: Services) -> WrittenReport:
    """Write the report of the last evaluation of a build.

    Raises
    ------
    NotFoundError
        The build is missing or was not evaluated.
    SourceError
        `output` cannot be written.

    Examples
    --------
    >>> from lsh_core import ReportSettings, find_services, report
    >>> services = find_services("http://127.0.0.1:9200")
    >>> written = report(ReportSettings(name="packages", output="reports"), services)
    """
    name = settings.name
    build = settings.build or live_build(name, services)
    evaluation = BuildRecords(services.cluster).get(name, build).evaluation
    if evaluation is None:
        raise NotFoundError("evaluation of build", build, f"`airlsh evaluate {name}` makes one of the live build")
    page = write_report(EvaluationReport.from_json(evaluation), settings.output)
    return WrittenReport(name=name, build=build, report=page)
