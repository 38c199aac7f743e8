"""Registry: packages for both languages on loopback, as PyPI and npm give them out."""

import hashlib
import io
import json
import re
import tarfile
import threading
import zipfile
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

from tests.services import loopback

Files = Mapping[str, str]
NAMED = re.compile(r"[-_.]+")


@dataclass(slots=True)
class Registry:
    """`files` are for pip, by name, and `modules` for npm, by name and version.

    A request waits while `open` is not set; `asked` tells that one has come, and
    `paths` are those of all.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    modules: dict[str, dict[str, bytes]] = field(default_factory=dict)
    open: threading.Event = field(default_factory=threading.Event)
    asked: threading.Event = field(default_factory=threading.Event)
    paths: set[str] = field(default_factory=set)
    url: str = ""

    @property
    def variables(self) -> Mapping[str, str]:
        """Return what an operator sets to have packages come from here."""
        return {
            "PIP_INDEX_URL": f"{self.url}/simple",
            "NPM_CONFIG_REGISTRY": f"{self.url}/",
        }

    def add_wheels(self, folder: Path) -> None:
        for wheel in folder.glob("*.whl"):
            self.files[wheel.name] = wheel.read_bytes()

    def add_wheel(
        self,
        name: str,
        version: str = "1.0",
        files: Files | None = None,
        requires: Sequence[str] = (),
    ) -> None:
        content = a_wheel(name, version, files or {f"{name}.py": ""}, requires)
        self.files[f"{name}-{version}-py3-none-any.whl"] = content

    def add_modules(self, folder: Path) -> None:
        """Add what npm has installed there."""
        for package in (*folder.glob("*/package.json"), *folder.glob("@*/*/*.json")):
            if package.name == "package.json":
                told = json.loads(package.read_text())
                archive = an_archive_of(package.parent)
                self.modules.setdefault(told["name"], {})[told["version"]] = archive

    def add_module(self, name: str, files: Files, **package: object) -> None:
        told = {"name": name, "version": "1.0.0", **package}
        content = {"package.json": json.dumps(told), **files}
        self.modules.setdefault(name, {})["1.0.0"] = an_archive(
            {path: text.encode() for path, text in content.items()}
        )

    def answer(self, path: str) -> bytes | None:
        match path.strip("/").split("/"):
            case ["simple", name]:
                return self._links(name)
            case ["file", name]:
                return self.files.get(name)
            case ["module", *name, version]:
                return self.modules["/".join(name)][version]
            case [*name] if (versions := self.modules.get("/".join(name))) is not None:
                return self._described("/".join(name), versions)
            case _:
                return None

    def _links(self, name: str) -> bytes | None:
        found = [
            f'<a href="{self.url}/file/{file}#sha256={_sha256(content)}">{file}</a>'
            for file, content in self.files.items()
            if NAMED.sub("-", file.split("-")[0]).lower() == name
        ]
        return f"<!DOCTYPE html>{''.join(found)}".encode() if found else None

    def _described(self, name: str, versions: Mapping[str, bytes]) -> bytes:
        told = {}
        for version, archive in versions.items():
            digest = b64encode(hashlib.sha512(archive).digest()).decode()
            dist = {
                "tarball": f"{self.url}/module/{name}/{version}",
                "integrity": f"sha512-{digest}",
            }
            told[version] = {**_package_in(archive), "dist": dist}
        latest = {"latest": [*versions][-1]}
        return json.dumps(
            {"name": name, "dist-tags": latest, "versions": told}
        ).encode()


@contextmanager
def serving() -> Iterator[Registry]:
    registry = Registry()
    registry.open.set()

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            registry.paths.add(self.path)
            registry.asked.set()
            registry.open.wait()
            answer = registry.answer(unquote(self.path))
            self.send_response(200 if answer is not None else 404)
            is_link = self.path.startswith("/simple/")
            kind = "text/html" if is_link else "application/json"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(answer or b"")))
            self.end_headers()
            self.wfile.write(answer or b"")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer((loopback.HOST, 0), Answering) as server:
        server.daemon_threads = True
        registry.url = f"http://{loopback.HOST}:{server.server_port}"
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        try:
            yield registry
        finally:
            registry.open.set()
            server.shutdown()
            serving.join()


def a_wheel(
    name: str, version: str, files: Files, requires: Sequence[str] = ()
) -> bytes:
    told = f"{name}-{version}.dist-info"
    needed = "".join(f"Requires-Dist: {each}\n" for each in requires)
    whole = {
        **files,
        f"{told}/METADATA": (
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needed}"
        ),
        f"{told}/WHEEL": (
            "Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: true\n"
            "Tag: py3-none-any\n"
        ),
    }
    listed = "".join(f"{path},,\n" for path in (*whole, f"{told}/RECORD"))
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for path, text in {**whole, f"{told}/RECORD": listed}.items():
            archive.writestr(path, text)
    return target.getvalue()


def an_archive(files: Mapping[str, bytes], root: str = "package") -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(f"{root}/{path}")
            member.size, member.mode = len(content), 0o644
            archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


def an_archive_of(package: Path) -> bytes:
    """Return the archive that this was installed from, but for its dates."""
    paths = [path for path in sorted(package.rglob("*")) if path.is_file()]
    named = {path.relative_to(package): path for path in paths}
    return an_archive(
        {
            str(name): path.read_bytes()
            for name, path in named.items()
            if name.parts[0] != "node_modules"
        }
    )


def _package_in(archive: bytes) -> Mapping[str, object]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        member = opened.extractfile("package/package.json")
        assert member is not None
        told: Mapping[str, object] = json.load(member)
        return told


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
