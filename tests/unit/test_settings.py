"""The environment: what is accepted, and how what is not is told."""

import pytest

from finch_sync.settings import Settings, SettingsError

ENVIRONMENT = {
    "FINCH_BASE_URL": "https://api.tryfinch.com",
    "TABLE_NAME": "records",
    "CONNECTIONS_SECRET_ID": "arn:aws:secretsmanager:us-east-1:123456789012:secret:connections",
    "STATE_MACHINE_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:finch-sync-sync-job",
    "SCHEDULED_CONNECTIONS": "",
    "JOB_DEADLINE_SECONDS": "21600",
    "FIRST_JOB_SECONDS": "0",
    "EVENT_BUS_NAME": "default",
}


def settings(**changes: str) -> Settings:
    return Settings.from_environment(ENVIRONMENT | changes)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.tryfinch.com",
        "https://proxy.example/finch",
        "http://127.0.0.1:8080",
        "http://localhost:8080",
        "http://[::1]:8080",
        "http://172.17.0.1:8080",
    ],
)
def test_finch_is_reached_over_tls_or_on_this_machine(url: str) -> None:
    assert settings(FINCH_BASE_URL=url).finch_base_url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://api.tryfinch.com",
        "http://10.0.0.1",
        "http://172.32.0.1",
        "http://127.0.0.1.example",
        "http://localhost.example",
        "http://localhost@api.tryfinch.com",
        "http://2130706433",
        "ftp://127.0.0.1",
        "https://",
        "//api.tryfinch.com",
        "api.tryfinch.com",
        "",
    ],
)
def test_a_token_is_never_sent_in_the_clear(url: str) -> None:
    with pytest.raises(SettingsError, match="FINCH_BASE_URL"):
        settings(FINCH_BASE_URL=url)


def test_connections_of_the_schedule_are_names_between_commas() -> None:
    assert settings(SCHEDULED_CONNECTIONS="").scheduled_connections == ()
    assert settings(SCHEDULED_CONNECTIONS="acme,globex").scheduled_connections == ("acme", "globex")


@pytest.mark.parametrize("seconds", ["9", "86401", "", "soon", "1e3"])
def test_a_deadline_has_limits(seconds: str) -> None:
    with pytest.raises(SettingsError, match="JOB_DEADLINE_SECONDS"):
        settings(JOB_DEADLINE_SECONDS=seconds)


def test_all_that_is_wrong_is_told_at_once_and_by_name() -> None:
    with pytest.raises(SettingsError) as wrong:
        Settings.from_environment({"STATE_MACHINE_ARN": "not an arn"})
    for name in ENVIRONMENT:
        assert name in str(wrong.value)


def test_what_else_is_in_the_environment_does_not_matter() -> None:
    assert settings(PATH="/bin", AWS_REGION="us-east-1") == settings()
