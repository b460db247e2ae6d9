"""What is deployed is known: by name, version, hash and licence; and no scan is told to look away without a reason."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from local_aws import bill_of_materials, sam
from local_aws.advisories import Advisory, UnreachableError, read
from local_aws.interpreter import function_interpreter
from tests.template.shipped import PROJECT, template
from tests.template.test_artifact import requirements

ALLOWED_LICENCES = {"Apache-2.0", "BSD-3-Clause", "MIT", "PSF-2.0"}
"""Permissive: they ask for their text to be kept, which every wheel does, and for nothing else."""

pytestmark = pytest.mark.xdist_group("artifact")


@pytest.fixture(scope="module")
def bundle() -> Path:
    return sam.build(function_interpreter()).parent / "SyncFunction"


@pytest.fixture(scope="module")
def bill(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("bill") / bill_of_materials.FILE_NAME
    bill_of_materials.write(bundle, out)
    content: dict[str, Any] = json.loads(out.read_text())
    return content


def test_the_bill_of_materials_is_cyclonedxs_and_this_projects(bill: dict[str, Any]) -> None:
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["name"] == "finch-sync"


def test_it_lists_exactly_what_the_requirements_pin(bill: dict[str, Any]) -> None:
    components = {
        each["name"]: (
            each["version"],
            {f"sha256:{known['content']}" for file in each["externalReferences"] for known in file["hashes"]},
        )
        for each in bill["components"]
    }
    assert components == requirements()


def test_every_package_has_a_licence_that_lets_it_be_deployed(bill: dict[str, Any]) -> None:
    refused = {}
    for each in bill["components"]:
        [licence] = each["licenses"]
        if not set(licence["expression"].split(" OR ")) & ALLOWED_LICENCES:
            refused[each["name"]] = licence["expression"]
    assert refused == {}


# --- advisories ----------------------------------------------------------------------------------------------------


def reported(*dependencies: dict[str, Any]) -> dict[str, Any]:
    return {"dependencies": list(dependencies), "fixes": []}


def test_a_known_vulnerability_is_told_with_its_remedy() -> None:
    known = {"id": "PYSEC-2026-1", "fix_versions": ["2.8.1"], "aliases": [], "description": "..."}
    found = read(reported({"name": "urllib3", "version": "2.8.0", "vulns": [known]}))
    assert found == [Advisory("urllib3", "2.8.0", "PYSEC-2026-1", ("2.8.1",))]
    assert str(found[0]) == "urllib3 2.8.0: PYSEC-2026-1, fixed in 2.8.1"


def test_a_package_that_was_left_out_is_no_good_news() -> None:
    with pytest.raises(UnreachableError, match="boto3"):
        read(
            reported(
                {"name": "six", "version": "1.17.0", "vulns": []}, {"name": "boto3", "skip_reason": "not found on PyPI"}
            )
        )


# --- suppressions --------------------------------------------------------------------------------------------------


def test_each_scan_that_is_told_to_look_away_is_told_why() -> None:
    skips = [
        skip
        for resource in template()["Resources"].values()
        for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", ())
    ]
    assert skips
    assert [skip["id"] for skip in skips if len(skip["comment"].split()) < 8] == []

    text = (PROJECT / "template.yaml").read_text()
    ignored = [rule for each in _ignored_rules(template()["Resources"]) for rule in each]
    assert ignored
    for rule in ignored:
        [line] = [line for line in text.splitlines() if re.search(rf"\b{rule}\b", line)]
        assert len(line.partition("# ")[2].split()) >= 8, rule


def _ignored_rules(resources: dict[str, Any]) -> list[list[str]]:
    metadata = (resource.get("Metadata", {}) for resource in resources.values())
    return [each["cfn-lint"]["config"]["ignore_checks"] for each in metadata if "cfn-lint" in each]
