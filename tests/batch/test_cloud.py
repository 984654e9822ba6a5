"""Photographs in storage elsewhere: a bucket on a server that the tests start, which fails now and then; and memory."""

import asyncio
import hashlib
import http.client
import json
import os
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from lptn_retouch import retouch_folder
from lptn_retouch.batch import storage
from lptn_retouch.batch.photograph import do
from lptn_retouch.batch.settings import Look, Output
from lptn_retouch.batch.work import Work
from lptn_retouch.errors import UsageError
from tests.places import LAKE, ROOT

pytest.importorskip("upath", reason="storage elsewhere wants the extra cloud")
pytest.importorskip("s3fs")
pytest.importorskip("moto.server")
pytestmark = [pytest.mark.slow, pytest.mark.real]

COUNT = 6
FAILS = 5  # every so manyth answer of the bucket is an error


class Flaky(BaseHTTPRequestHandler):
    """Hands requests on to the server behind it, but for one in so many, which gets an error of the server's."""

    protocol_version = "HTTP/1.1"
    behind = ("127.0.0.1", 0)
    asked: ClassVar[Counter[str]] = Counter()
    lock = threading.Lock()

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with self.lock:
            self.asked["all"] += 1
            fails = self.asked["all"] % FAILS == 0
            self.asked[f"{self.command} {'failed' if fails else 'answered'}"] += 1
        if fails:
            self.send_response(503)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        connection = http.client.HTTPConnection(*self.behind, timeout=30)
        connection.request(self.command, self.path, body, dict(self.headers))
        answer = connection.getresponse()
        content = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length", "server", "date"):
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
        self.send_header("Content-Length", length or "0")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
        connection.close()

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def bucket() -> Iterator[dict[str, str]]:
    """The environment in which s3://photographs is a bucket on a server of the test's own."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    Flaky.behind = (host, port)
    front = ThreadingHTTPServer(("127.0.0.1", 0), Flaky)
    threading.Thread(target=front.serve_forever, daemon=True).start()
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    yield {**keys, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{front.server_port}", "MOTO": f"http://{host}:{port}"}
    front.shutdown()
    front.server_close()
    server.stop()


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cloud") / "in"
    (folder / "june").mkdir(parents=True)
    for i in range(COUNT):
        shutil.copy(LAKE, folder / "june" / f"p {i} ü.jpg")
    (folder / "june" / "p 0 ü.xmp").write_text(
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4"/></rdf:RDF></x:xmpmeta>'
    )
    (folder / "damaged.jpg").write_bytes((LAKE).read_bytes()[:2000])
    (folder / ".hidden.jpg").write_bytes(b"?")
    return folder


def in_process(bucket: dict[str, str], tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **bucket, "XDG_STATE_HOME": str(tmp_path / "state")}
    command = [sys.executable, "-m", "lptn_retouch", "batch", *words]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)


def filesystem(bucket: dict[str, str]):
    import s3fs

    return s3fs.S3FileSystem(key="test", secret="test", endpoint_url=bucket["MOTO"], skip_instance_cache=True)


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_a_bucket_that_fails_now_and_then_gets_what_a_folder_gets(
    bucket: dict[str, str], photographs: Path, tmp_path: Path, engine: str
) -> None:
    if engine == "ray":
        pytest.importorskip("ray", reason="there is no wheel of Ray for this system and Python")
    s3 = filesystem(bucket)
    s3.mkdir(f"photographs-{engine}")
    where = f"photographs-{engine}/out"
    urls = (f"s3://photographs-{engine}/in", f"s3://{where}", "--engine", engine)
    s3.put(f"{photographs}/", f"photographs-{engine}/in/", recursive=True)
    local = tmp_path / "local"
    assert in_process(bucket, tmp_path, str(photographs), str(local), "--json").returncode == 1
    Flaky.asked.clear()
    done = in_process(bucket, tmp_path, *urls, "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1, done.stderr
    assert Counter(line["outcome"] for line in lines) == {"done": COUNT, "failed": 1}, done.stderr
    assert "damaged.jpg" in done.stderr and "Traceback" not in done.stderr
    assert Flaky.asked["GET failed"] + Flaky.asked["PUT failed"] + Flaky.asked["HEAD failed"] > 3, Flaky.asked
    made = {path.relative_to(local).as_posix(): path.read_bytes() for path in local.rglob("p*") if path.is_file()}
    there = {name.removeprefix(f"{where}/"): s3.cat_file(name) for name in s3.find(where)}
    assert len(there) == COUNT + 1 and there.keys() == made.keys(), "the sidecar goes along"
    assert all(there[name] == made[name] for name in made)
    puts = Flaky.asked["PUT answered"]
    again = in_process(bucket, tmp_path, *urls, "--json")
    told = Counter(json.loads(line)["outcome"] for line in again.stdout.splitlines())
    assert told == {"skipped": COUNT, "failed": 1} and Flaky.asked["PUT answered"] == puts, "nothing is written twice"


def test_a_machine_without_the_keys_is_left_out(bucket: dict[str, str], photographs: Path, tmp_path: Path) -> None:
    """It would fail photographs."""
    pytest.importorskip("ray", reason="there is no wheel of Ray for this system and Python")
    from ray.cluster_utils import Cluster

    s3 = filesystem(bucket)
    s3.mkdir("keys")
    s3.put(f"{photographs}/june/", "keys/in/", recursive=True)
    none = {"AWS_ENDPOINT_URL": bucket["AWS_ENDPOINT_URL"], "AWS_EC2_METADATA_DISABLED": "true"}
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        for keys in (bucket, none):
            made.add_node(num_cpus=1, include_dashboard=False, env_vars=keys)
        made.wait_for_nodes()
        words = ("s3://keys/in", "s3://keys/out", "--engine", "ray", "--address", made.address)
        done = in_process(bucket, tmp_path, *words)
    finally:
        made.shutdown()
    assert done.returncode == 0, done.stderr
    assert len(s3.find("keys/out")) == COUNT + 1
    script = """
from upath import UPath
from lptn_retouch.batch.needs import Needs
print(Needs(storage=(UPath("s3://keys/in"), UPath("s3://keys/not-yet"))).lacking())
"""
    told = [
        subprocess.run([sys.executable, "-c", script], env={**os.environ, **env}, capture_output=True, text=True)
        for env in (bucket, none)
    ]
    assert [one.stdout.partition(" (")[0].strip() for one in told] == ["None", "it cannot reach s3://keys/in"], told


def test_what_somebody_else_has_put_there_is_left(bucket: dict[str, str], photographs: Path, tmp_path: Path) -> None:
    s3 = filesystem(bucket)
    if not s3.exists("others"):
        s3.mkdir("others")
    s3.pipe_file("others/out/june/p 1 ü.jpg", b"somebody's")
    words = (str(photographs), "s3://others/out", "--include", "june")
    refused = in_process(bucket, tmp_path, *words)
    assert refused.returncode == 1 and "is there already" in refused.stderr, refused.stderr
    assert s3.cat_file("others/out/june/p 1 ü.jpg") == b"somebody's"
    assert in_process(bucket, tmp_path, *words, "--overwrite").returncode == 0
    assert s3.cat_file("others/out/june/p 1 ü.jpg")[:2] == b"\xff\xd8"


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[tuple[Path, str]]]:
    """Two SSH servers, each a folder of its own and its URL; this user knows their keys."""
    asyncssh = pytest.importorskip("asyncssh")
    pytest.importorskip("sshfs")
    key = asyncssh.generate_private_key("ssh-ed25519")

    class Guarded(asyncssh.SSHServer):  # type: ignore[misc, name-defined]
        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, password: str) -> bool:
            return (username, password) == ("me", "secret")

    async def serve(disk: Path) -> Any:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=Guarded,
            server_host_keys=[key],
            sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=str(disk)),
        )

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    found, known, running = [], [], []
    for number in range(2):
        disk = tmp_path / f"disk{number}"
        disk.mkdir()
        server = asyncio.run_coroutine_threadsafe(serve(disk), loop).result(30)
        running.append(server)
        found.append((disk, f"sftp://me:secret@127.0.0.1:{server.get_port()}"))
        known.append(f"[127.0.0.1]:{server.get_port()} {key.export_public_key().decode()}")
    (tmp_path / "home" / ".ssh").mkdir(parents=True)
    (tmp_path / "home" / ".ssh" / "known_hosts").write_text("".join(known))
    yield found

    async def close() -> None:
        for server in running:
            server.close()
            await server.wait_closed()

    asyncio.run_coroutine_threadsafe(close(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_files_of_a_server_are_renamed_when_they_are_whole(
    servers: list[tuple[Path, str]], photographs: Path, tmp_path: Path
) -> None:
    (disk, url), (other, elsewhere) = servers
    shutil.copytree(photographs, disk / "in")
    left = disk / "out" / "june" / ".lptn-0123456789abcdef.tmp"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half of it")
    os.utime(left, (1, 1))
    home = {"HOME": str(tmp_path / "home")}
    done = in_process(home, tmp_path, f"{url}/in", f"{url}/out", "--json")
    assert done.returncode == 1 and "Traceback" not in done.stderr and "secret" not in done.stdout, done.stderr
    local = tmp_path / "local"
    in_process(home, tmp_path, str(photographs), str(local), "--json")
    made, there = (
        {path.relative_to(folder).as_posix(): path.read_bytes() for path in (folder / "june").iterdir()}
        for folder in (local, disk / "out")
    )
    assert made == there, "what was left half written is gone"
    # The same folder of another server is another: what is known of the one is not believed of it.
    done = in_process(home, tmp_path, f"{url}/in", f"{elsewhere}/in", "--json")
    assert Counter(json.loads(line)["outcome"] for line in done.stdout.splitlines()) == {"done": COUNT, "failed": 1}
    assert len(list((other / "in" / "june").iterdir())) == COUNT + 1
    assert len(list((tmp_path / "state").rglob("journal.jsonl"))) == 2


def test_memory_is_done_in_this_process(photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from upath import UPath

    monkeypatch.setattr(storage.platformdirs, "user_state_dir", lambda _: str(tmp_path / "state"))
    source = UPath(f"memory://{tmp_path.name}/in")
    for path in photographs.rglob("*.jpg"):
        place = source / path.relative_to(photographs).as_posix()
        place.fs.pipe_file(place.path, path.read_bytes())
    results = list(retouch_folder(str(source), f"memory://{tmp_path.name}/out"))
    assert Counter(result.outcome for result in results) == {"done": COUNT, "failed": 1}
    for result in results:
        for output, described in zip(result.outputs, result.files, strict=True):
            assert hashlib.sha256(output.read_bytes()).hexdigest() == described["sha256"]
    again = list(retouch_folder(str(source), f"memory://{tmp_path.name}/out"))
    assert Counter(result.outcome for result in again) == {"skipped": COUNT, "failed": 1}


def test_what_comes_meanwhile_is_left_and_said(photographs: Path, tmp_path: Path) -> None:
    from upath import UPath

    target = UPath(f"memory://{tmp_path.name}/out/a.jpg")
    target.fs.pipe_file(target.path, b"somebody's")
    source = photographs / "june" / "p 1 ü.jpg"
    work = Work("a.jpg", source, Look("retouch"), (Output(),), (target,), new=frozenset({target}))
    result = do(work)
    assert result.outcome == "failed" and "is there already" in result.reason, result
    assert result.unwritten == (target,) and target.read_bytes() == b"somebody's"
    assert do(replace(work, skip=True)).outcome == "skipped"


def test_a_file_url_is_a_folder(tmp_path: Path) -> None:
    assert storage.located(f"file://{tmp_path}/in%20work") == tmp_path / "in work"


@pytest.mark.parametrize("url", ["nowhere://photographs", "s4://x"])
def test_storage_of_no_kind_is_named(url: str) -> None:
    with pytest.raises(UsageError, match="there is no storage of the kind"):
        storage.located(url)


def test_a_server_that_is_not_there_or_does_not_know_its_user_is_named(
    servers: list[tuple[Path, str]], tmp_path: Path
) -> None:
    (_, url), _ = servers
    nowhere = in_process({}, tmp_path, "sftp://me:secret@127.0.0.1:1/in", str(tmp_path / "out"))
    stranger = in_process(
        {"HOME": str(tmp_path / "home")}, tmp_path, url.replace("me:secret", "me:guess") + "/in", str(tmp_path / "out")
    )
    for done in (nowhere, stranger):
        assert done.returncode == 2 and "it cannot be reached" in done.stderr, done.stderr
        assert done.stderr.count("\n") == 1 and "secret" not in done.stderr and "guess" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_what_reads_a_storage_is_named_where_it_is_not_installed(tmp_path: Path) -> None:
    (tmp_path / "gcsfs.py").write_text("raise ModuleNotFoundError('not here', name='gcsfs')")
    done = in_process({"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}, tmp_path, "gs://photographs/in", "out")
    assert done.returncode == 2 and 'pip install "lptn-retouch[cloud]" gcsfs brings' in done.stderr, done.stderr


def test_folders_of_one_bucket_that_lie_in_one_another_are_refused() -> None:
    with pytest.raises(UsageError, match="lie in one another"):
        retouch_folder("memory://a/photos", "memory://a/photos/out")
