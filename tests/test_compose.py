"""The deployment files agree with each other, with the Compose specification (tests/data, Apache 2.0) and with the code."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from runtime.settings import PostgresSettings, Settings
from tests.stack import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("migrate", "worker", "api")


def test_the_file_follows_the_compose_specification() -> None:
    schema = json.loads((ROOT / "tests" / "data" / "compose-spec.json").read_text())
    jsonschema.Draft7Validator(schema).validate(COMPOSE)


def test_everything_of_the_design_is_there() -> None:
    wanted = {"postgres", "temporal", "temporal-ui", "migrate", "api", "worker", "prometheus", "grafana", "mailpit"}
    assert wanted <= set(SERVICES)


@pytest.mark.parametrize("name", sorted(set(SERVICES) - set(OURS)))
def test_images_of_others_are_pinned(name: str) -> None:
    assert re.search(r":v?\d+\.\d+", SERVICES[name]["image"]), SERVICES[name]["image"]


def test_dependencies_exist_and_one_shots_are_awaited() -> None:
    for name, service in SERVICES.items():
        for needed, how in service.get("depends_on", {}).items():
            assert needed in SERVICES, (name, needed)
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[needed], (name, needed)
            if how["condition"] == "service_completed_successfully":
                assert SERVICES[needed]["restart"].startswith("on-failure"), needed


@pytest.mark.parametrize("name", OURS)
def test_every_variable_given_to_our_processes_is_one_they_read(name: str) -> None:
    known = {str(field.validation_alias) for field in Settings.model_fields.values() if field.validation_alias}
    known |= {f"POSTGRES_{field.upper()}" for field in PostgresSettings.model_fields}
    known |= {"TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "SUMMIT_APP_PASSWORD"}
    assert set(SERVICES[name]["environment"]) <= known


def test_api_and_worker_run_as_the_role_that_row_level_security_binds() -> None:
    for name in ("api", "worker"):
        assert SERVICES[name]["environment"]["POSTGRES_USER"] == "summit_app"


def test_no_secret_has_a_default() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    for variable in re.findall(r"\$\{(\w*(?:PASSWORD|SECRET|KEYS))([^}]*)\}", text):
        assert variable[1].startswith(":?"), variable


def test_ports_are_published_on_loopback_only() -> None:
    for service in SERVICES.values():
        assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", []))


def test_mounted_files_exist() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in COMPOSE["volumes"] or (ROOT / source).exists(), source


@pytest.mark.parametrize("script", sorted((ROOT / "deploy").rglob("*.sh")), ids=lambda path: path.name)
def test_scripts_parse(script: Path) -> None:
    subprocess.run(["sh", "-n", script], check=True)


def test_dashboards_and_alerts_name_metrics_that_exist() -> None:
    dashboard = json.loads((ROOT / "deploy/grafana/dashboards/summit.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    alerts = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())
    expressions += [rule["expr"] for group in alerts["groups"] for rule in group["rules"]]
    source = "\n".join(path.read_text() for layer in ("api", "activities") for path in (ROOT / layer).rglob("*.py"))
    for name in re.findall(r"\b(?:support|summit)_\w+", " ".join(expressions)):
        declared = re.sub(r"_(bucket|count|sum)$", "", name)
        assert f'"{declared}"' in source or f'"{declared.removesuffix("_total")}"' in source, name


def test_few_promises_raise_no_alert() -> None:
    alerts = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())
    expressions = [rule["expr"] for group in alerts["groups"] for rule in group["rules"]]
    judging = [each for each in expressions if "support_sla_compliance_ratio" in each]
    assert judging
    assert all(re.search(r" and max by \(kind\) \(support_sla_promises_due\) >= \d\d", each) for each in judging)


def test_scraped_services_are_services() -> None:
    text = (ROOT / "deploy/prometheus/prometheus.yml").read_text()
    jobs = yaml.safe_load(text)["scrape_configs"]
    targets = [target for job in jobs for group in job.get("static_configs", []) for target in group["targets"]]
    targets += [name for job in jobs for group in job.get("dns_sd_configs", []) for name in group["names"]]
    assert {target.split(":")[0] for target in targets} <= set(SERVICES)


def test_the_operations_page_names_every_variable() -> None:
    page = (ROOT / "docs/operations.md").read_text()
    for field in Settings.model_fields.values():
        if field.validation_alias:
            prefix, _, last = str(field.validation_alias).rpartition("_")
            assert str(field.validation_alias) in page or (f"`_{last}`" in page and prefix in page)
