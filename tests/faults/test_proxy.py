"""The fault proxy between a real client process and a real server."""

import http.client
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from fault_campaign.arming import Armory, Trap
from fault_campaign.faults import KILLS, Answer, Fault
from fault_campaign.journal import Journal
from fault_campaign.proxy import CALL_HEADER, FaultProxy
from fault_campaign.steps import Step
from fault_campaign.victim import NoVictimError, kill_client

_CLIENT = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], b'x', timeout=20).read().decode())"


@dataclass
class Setting:
    proxy: FaultProxy
    armory: Armory
    journal: Journal
    arrived: list[str]

    def arm(self, fault: Fault) -> None:
        self.armory.arm([Trap("call", fault)], None, trigger=1)

    def post(self) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", int(self.proxy.url.rpartition(":")[2]), timeout=20)
        with closing(connection):
            connection.request("POST", "/", b"x")
            response = connection.getresponse()
            return response.status, response.read()


@pytest.fixture
def setting() -> Iterator[Setting]:
    arrived: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

        def do_POST(self) -> None:
            arrived.append(self.headers[CALL_HEADER])
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"the true answer")

    def describe(_method: str, _path: str, _headers: Message, _body: bytes) -> Step:
        return Step("call")

    journal, armory = Journal(), Armory()
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server,
        closing(FaultProxy(describe, journal, armory)) as proxy,
    ):
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        proxy.stand_before(f"http://127.0.0.1:{server.server_address[1]}")
        yield Setting(proxy, armory, journal, arrived)
        server.shutdown()


def eventually(condition: Callable[[], bool]) -> bool:
    until = time.monotonic() + 10
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)
    return condition()


def test_without_a_fault_the_answer_is_the_true_one(setting: Setting) -> None:
    assert setting.post() == (200, b"the true answer")
    [call] = setting.journal.calls()
    assert (setting.arrived, call.status, call.fault) == ([str(call.number)], 200, None)


@pytest.mark.parametrize("arrives", [False, True])
def test_an_answer_in_place_of_the_true_one(setting: Setting, arrives: bool) -> None:
    setting.arm(Fault("fault", arrives=arrives, answer=Answer(503, "made up")))

    assert setting.post() == (503, b"made up")
    assert len(setting.arrived) == arrives


@pytest.mark.parametrize("arrives", [False, True])
def test_a_reset(setting: Setting, arrives: bool) -> None:
    setting.arm(Fault("fault", arrives=arrives, ending="reset"))

    with pytest.raises(ConnectionResetError):
        setting.post()
    assert len(setting.arrived) == arrives


def test_an_answer_cut_in_the_middle(setting: Setting) -> None:
    setting.arm(Fault("fault", arrives=True, ending="truncated"))

    with pytest.raises(http.client.IncompleteRead):
        setting.post()


def test_a_call_that_arrives_after_its_sender_was_cut_off(setting: Setting) -> None:
    setting.arm(Fault("fault", arrives=True, ending="reset", late=0.5))

    with pytest.raises(ConnectionResetError):
        setting.post()
    assert setting.arrived == []
    assert eventually(lambda: len(setting.arrived) == 1)


def test_a_fault_strikes_as_often_as_it_says_and_then_no_more(setting: Setting) -> None:
    setting.arm(Fault("fault", arrives=False, answer=Answer(500, ""), times=2))

    assert [setting.post()[0] for _ in range(3)] == [500, 500, 200]
    assert [call.fault for call in setting.journal.calls()] == ["fault", "fault", None]


@pytest.mark.parametrize("fault", KILLS, ids=lambda fault: str(fault.name))
def test_the_sender_is_killed_and_its_call_arrives_or_not(setting: Setting, fault: Fault) -> None:
    setting.arm(fault)

    sender = subprocess.run([sys.executable, "-c", _CLIENT, setting.proxy.url], capture_output=True, check=False)  # noqa: S603

    assert sender.returncode == -9
    assert eventually(lambda: len(setting.arrived) == fault.arrives)


def test_connections_are_refused_for_a_while(setting: Setting) -> None:
    refusing = threading.Thread(target=setting.proxy.refuse, args=(1.0,))
    refusing.start()

    def refused() -> bool:
        try:
            setting.post()
        except ConnectionRefusedError:
            return True
        except ConnectionError:
            return False  # the listener was just closing
        return False

    assert eventually(refused)
    refusing.join()
    assert setting.post()[0] == 200


def test_nobody_is_killed_at_a_port_that_nobody_has() -> None:
    with pytest.raises(NoVictimError):
        kill_client(1)
