"""The published document: current, valid, and of the API that there is."""

import json
from typing import Any

from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from api_document.document import FILE, text
from finch_sync.jobs import Job
from tests.template.shipped import template

DOCUMENT: dict[str, Any] = json.loads(FILE.read_text())


def operations() -> dict[tuple[str, str], dict[str, Any]]:
    return {(path, method): each for path, methods in DOCUMENT["paths"].items() for method, each in methods.items()}


def test_the_file_is_what_the_program_writes() -> None:
    assert FILE.read_text() == text(), "run `python -m api_document`"


def test_it_is_valid() -> None:
    validate(DOCUMENT, cls=OpenAPIV31SpecValidator)


def test_it_has_the_paths_that_are_deployed() -> None:
    events = template()["Resources"]["SyncFunction"]["Properties"]["Events"].values()
    deployed = {each["Properties"]["Path"] for each in events if each["Type"] == "Api"}
    assert deployed == set(DOCUMENT["paths"])


def test_every_operation_tells_how_it_refuses_strangers_and_what_its_errors_look_like() -> None:
    for operation in operations().values():
        assert {"400", "401", "405", "429"} <= set(operation["responses"])
    for answer in DOCUMENT["components"]["responses"].values():
        schema = answer["content"]["application/json"]["schema"]
        assert {"$ref": "#/components/schemas/Error"} in schema.get("oneOf", [schema])


def test_a_jobs_fields_are_those_of_its_record_that_finch_has_too() -> None:
    documented = set(DOCUMENT["components"]["schemas"]["Job"]["properties"])
    assert documented - set(Job.model_fields) == {"job_url"}


def test_a_job_is_found_by_what_its_enqueue_answered() -> None:
    link = DOCUMENT["paths"]["/sandbox/jobs"]["post"]["responses"]["200"]["links"]["job"]
    assert link["operationId"] == DOCUMENT["paths"]["/jobs/automated/{job_id}"]["get"]["operationId"]
