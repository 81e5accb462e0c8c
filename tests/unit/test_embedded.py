"""What a start decides before anything runs: addresses, places, ports, what is remembered and what is asked for."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agentops.embedded import product
from agentops.embedded.directories import (
    SOCKET_PATH_BYTES,
    fits_a_socket,
    private_directory,
    socket_directory,
)
from agentops.embedded.errors import EmbeddedError
from agentops.embedded.files import locked, read_environment, read_json, write_environment, write_private
from agentops.embedded.home import Home
from agentops.embedded.launcher import Plan
from agentops.embedded.ports import PortReservation, is_free, quiet_port
from agentops.embedded.postgres import Postgres, shared_buffers_mb
from agentops.embedded.processes import start_mark
from agentops.embedded.product import ProductPlan
from agentops.embedded.redis_server import Redis
from agentops.embedded.supervisor import Program, configuration

OWN = {"DATABASE_URL": "postgresql://db.example/agentops", "REDIS_URL": "redis://cache.example/0"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setattr(product, "PROJECT", tmp_path)  # no .env of whoever runs the tests
    made = Home(tmp_path / "home")
    made.create()
    return made


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.fixture
def planned(home: Home) -> Iterator[Callable[..., Plan]]:
    """Plans a start in the home with own servers and the given variables."""
    made: list[ProductPlan] = []

    def plan(**given: str) -> Plan:
        port = str(quiet_port("127.0.0.1"))
        made.append(ProductPlan(home, {"PATH": os.environ["PATH"], "PORT": port, **OWN, **given}))
        return made[-1].build()

    yield plan
    for each in made:
        each.close()


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


# Addresses.


def test_the_database_address_survives_a_path_with_blanks_and_signs() -> None:
    server = Postgres(Path("/bin"), Path("/base"), Path("/srv/my home/a&b?c"))
    assert server.url() == "postgresql://agentops@/agentops?host=%2Fsrv%2Fmy%20home%2Fa%26b%3Fc"


def test_the_redis_address_survives_a_path_with_blanks_and_signs() -> None:
    server = Redis(Path("/bin/redis-server"), Path("/data"), Path("/srv/my home/redis.sock"))
    assert server.url(database=3) == "unix:///srv/my%20home/redis.sock?db=3"


# Places.


def test_a_socket_directory_is_used_up_to_the_last_byte_that_fits() -> None:
    room = SOCKET_PATH_BYTES - len("/supervisor.sock.4194304")
    assert fits_a_socket(Path("/" + "x" * (room - 1)))
    assert not fits_a_socket(Path("/" + "x" * room))
    assert not fits_a_socket(Path("/" + "ü" * (room // 2 + 1)))  # bytes count, not letters


@pytest.mark.parametrize("sign", [",", "'", '"', "\n"])
def test_a_path_that_postgresql_would_split_is_no_place_for_sockets(sign: str) -> None:
    assert not fits_a_socket(Path(f"/srv/a{sign}b"))


def test_a_home_with_a_long_path_gets_the_same_private_socket_directory_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = Path("/tmp") / f"r{os.getpid()}"
    short.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short))
    long = tmp_path / ("x" * 120) / "run"
    try:
        found = socket_directory(long)
        assert found == socket_directory(long)
        assert found.parent == short
        assert mode(found) == 0o700
        found.rmdir()
    finally:
        short.rmdir()


def test_a_link_in_the_place_of_a_private_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "ours").symlink_to(tmp_path / "theirs")
    with pytest.raises(EmbeddedError, match="remove it and start again"):
        private_directory(tmp_path / "ours")


def test_a_private_directory_that_was_opened_is_closed_again_and_its_parent_left_alone(
    tmp_path: Path,
) -> None:
    tmp_path.chmod(0o755)
    private_directory(tmp_path / "ours").chmod(0o777)
    assert mode(private_directory(tmp_path / "ours")) == 0o700
    assert mode(tmp_path) == 0o755


def test_a_home_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: os.getuid() + 1)
    with pytest.raises(EmbeddedError, match="start as that user"):
        Home(tmp_path).create()


def test_two_homes_bear_different_marks(tmp_path: Path) -> None:
    assert Home(tmp_path / "a").mark != Home(tmp_path / "b").mark == Home(tmp_path / "b").mark


# Ports.


def test_a_taken_port_gives_the_next_free_one(taken_port: int) -> None:
    reservation = PortReservation("127.0.0.1", taken_port)
    assert reservation.port > taken_port
    reservation.release()


def test_two_starts_at_once_never_choose_the_same_port() -> None:
    wanted = quiet_port("127.0.0.1")
    first, second = PortReservation("127.0.0.1", wanted), PortReservation("127.0.0.1", wanted)
    assert first.port == wanted
    assert second.port > wanted
    first.release()
    second.release()


def test_a_host_that_is_none_is_named() -> None:
    with pytest.raises(EmbeddedError, match="HOST=no such host"):
        is_free("no such host", 80)


# Files.


def test_private_files_are_closed_and_replaced_whole(tmp_path: Path) -> None:
    write_private(tmp_path / "secret", "old")
    (tmp_path / "secret").chmod(0o644)
    write_private(tmp_path / "secret", "new")
    assert mode(tmp_path / "secret") == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_the_environment_file_keeps_every_sign_of_a_value(tmp_path: Path) -> None:
    values = {"A": "x=y # z", "B": "ü%41"}
    write_environment(tmp_path / "env", values)
    assert read_environment(tmp_path / "env") == values


def test_a_line_break_in_a_variable_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match="SECRET_KEY holds a line break"):
        write_environment(tmp_path / "env", {"SECRET_KEY": "a\nDEBUG=1"})


def test_a_broken_json_file_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "f").write_text('{"half":')
    assert read_json(tmp_path / "f") == {}


def test_only_one_holds_a_lock(tmp_path: Path) -> None:
    with locked(tmp_path / "l") as first, locked(tmp_path / "l") as second:
        assert (first, second) == (True, False)
        assert (tmp_path / "l").read_text() == str(os.getpid())
    with locked(tmp_path / "l") as third:
        assert third


# Processes and servers.


def test_a_process_has_one_start_mark_and_a_dead_one_none() -> None:
    assert start_mark(os.getpid()) == start_mark(os.getpid()) is not None
    assert start_mark(2**22 + 1) is None


@pytest.mark.parametrize(("memory_gb", "expected_mb"), [(0.5, 64), (4, 256), (24, 512)])
def test_postgresql_takes_a_modest_share_of_the_memory(memory_gb: float, expected_mb: int) -> None:
    assert shared_buffers_mb(int(memory_gb * 1024**3)) == expected_mb


def test_the_supervisor_stops_servers_one_by_one_after_everything_else(home: Home) -> None:
    text = configuration(
        home,
        [
            Program("postgres", ["p"], is_server=True),
            Program("redis", ["r"], is_server=True),
            Program("web", ["w"]),
        ],
    )
    groups = [line for line in text.splitlines() if line.startswith(("[group:", "priority="))]
    assert groups == [
        "[group:postgres]",
        "priority=0",
        "[group:redis]",
        "priority=1",
        "[group:product]",
        "priority=2",
    ]


def test_the_supervisor_gets_arguments_as_they_are(home: Home) -> None:
    text = configuration(home, [Program("web", ["run", "a b", "100%", "it's"])])
    assert """command=run 'a b' 100%% 'it'"'"'s'""" in text


def test_a_path_the_supervisor_would_cut_is_refused(home: Home) -> None:
    with pytest.raises(EmbeddedError, match="move the folder"):
        configuration(home, [Program("web", ["run", "/srv/a #b"])])


# The plan.


def test_own_servers_take_the_place_of_the_embedded_ones(home: Home, planned: Callable[..., Plan]) -> None:
    plan = planned()
    assert (plan.postgres, plan.redis) == (None, None)
    assert plan.environment["DATABASE_URL"] == OWN["DATABASE_URL"]
    assert read_environment(home.environment)["REDIS_URL"] == OWN["REDIS_URL"]


def test_a_broker_that_is_a_redis_serves_for_hints_too(planned: Callable[..., Plan]) -> None:
    plan = planned(REDIS_URL="", CELERY_BROKER_URL="redis://queue.example/1")
    assert plan.redis is None
    assert plan.environment["REDIS_URL"] == "redis://queue.example/1"


def test_another_broker_leaves_the_embedded_redis_for_hints(planned: Callable[..., Plan]) -> None:
    plan = planned(REDIS_URL="", CELERY_BROKER_URL="amqp://queue.example")
    assert plan.redis is not None
    assert plan.environment["CELERY_BROKER_URL"] == "amqp://queue.example"


def test_what_an_earlier_start_had_does_not_outlive_it(home: Home, planned: Callable[..., Plan]) -> None:
    planned(CELERY_BROKER_URL="amqp://queue.example")
    assert "CELERY_BROKER_URL" not in planned().environment
    assert "CELERY_BROKER_URL" not in read_environment(home.environment)


def test_keys_are_made_once_and_kept_unless_given(home: Home, planned: Callable[..., Plan]) -> None:
    first, second = planned().environment, planned().environment
    assert first["SECRET_KEY"] == second["SECRET_KEY"]
    assert len(first["AGENTOPS_INTEGRITY_KEY"]) >= 50
    assert first["SECRET_KEY"] != first["AGENTOPS_INTEGRITY_KEY"]
    assert planned(SECRET_KEY="mine").environment["SECRET_KEY"] == "mine"
    assert mode(home.environment) == 0o600


def test_a_secret_may_lie_in_a_file(planned: Callable[..., Plan], tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from the file\n")
    assert planned(SECRET_KEY_FILE=str(tmp_path / "key")).environment["SECRET_KEY"] == "from the file"
    with pytest.raises(EmbeddedError, match="SECRET_KEY_FILE="):
        planned(SECRET_KEY_FILE=str(tmp_path / "none"))


def test_the_demo_site_keeps_its_port_while_it_is_free(planned: Callable[..., Plan]) -> None:
    first = planned().environment["DEMO_SITE_URL"]
    assert planned().environment["DEMO_SITE_URL"] == first
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", int(first.rstrip("/").rpartition(":")[2])))
        listener.listen()
        assert planned().environment["DEMO_SITE_URL"] != first


def test_without_demo_there_is_no_demo_site_and_a_bare_first_team(planned: Callable[..., Plan]) -> None:
    plan = planned(DEMO="0")
    assert "demo-site" not in [program.name for program in plan.programs]
    assert "DEMO_SITE_URL" not in plan.environment
    assert plan.preparations[-1].command[-2:] == ["bootstrap_demo", "--bare"]


def test_the_number_of_workers_and_slots_is_what_was_asked_for(planned: Callable[..., Plan]) -> None:
    programs = {program.name: program.command for program in planned(WORKERS="3", WORKER_SLOTS="5").programs}
    assert [name for name in programs if name.startswith("worker")] == ["worker1", "worker2", "worker3"]
    assert programs["worker3"][programs["worker3"].index("-c") + 1] == "5"


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "0"), ("PORT", "http"), ("WORKERS", "-1"), ("WORKER_SLOTS", "1.5")]
)
def test_a_setting_that_is_no_number_is_named(planned: Callable[..., Plan], name: str, value: str) -> None:
    with pytest.raises(EmbeddedError, match=f"{name} must be a whole number"):
        planned(**{name: value})


def test_an_env_file_in_the_project_counts_unless_the_environment_says_otherwise(
    home: Home, planned: Callable[..., Plan], tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("# comment\nWORKER_SLOTS=4\nEMAIL_BACKEND=mine\n")
    plan = planned(WORKER_SLOTS="6")
    assert plan.environment["WORKER_SLOTS"] == "6"
    assert read_environment(home.environment)["EMAIL_BACKEND"] == "mine"


@pytest.mark.parametrize(
    ("host", "shown"),
    [("127.0.0.1", "http://127.0.0.1:"), ("0.0.0.0", "http://127.0.0.1:"), ("::1", "http://[::1]:")],
)
def test_the_printed_address_is_one_that_a_browser_can_open(
    planned: Callable[..., Plan], host: str, shown: str
) -> None:
    if host == "::1" and not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")
    content, line = planned(HOST=host).announce({"login_url": "/in/abc", "token": "t"})
    assert content["url"].startswith(shown)
    assert line == f"ready: {content['url']}in/abc"
    assert content["token"] == "t"
