"""A provider's file server, a bucket and a function of little memory, to bring home what is larger than that memory.

Run as a module it is the function: it collects the one output at an address and tells what came of it.
"""

import hashlib
import io
import json
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import av
from PIL import Image

MIB = 1024 * 1024
_XML = '<?xml version="1.0"?><{0} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{1}</{0}>'


def film(path: Path, size_bytes: int) -> None:
    """A real MP4 of at least that size, its index last: one picture of noise for as long as it takes."""
    with av.open(str(path), "w", format="mp4") as made:
        stream = made.add_stream("mjpeg", rate=25, options={"qmin": "1", "qmax": "1"})
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuvj420p"
        frame = av.VideoFrame.from_image(Image.effect_noise((640, 360), 200).convert("RGB"))
        [packet] = [*stream.encode(frame), *stream.encode()][:1]
        picture = bytes(packet)
        for number in range(size_bytes // len(picture) + 1):
            again = av.Packet(picture)
            again.stream, again.time_base = stream, Fraction(1, 25)
            again.pts = again.dts = number
            again.is_keyframe = True
            made.mux(again)


@dataclass
class Bucket:
    """What was written, by key: sizes and digests, for files that no test wants in its memory."""

    url: str
    sizes: dict[str, int] = field(default_factory=dict)
    sha256: dict[str, str] = field(default_factory=dict)
    parts: dict[str, int] = field(default_factory=dict)


@contextmanager
def outside(folder: Path) -> Iterator[Bucket]:
    """One server for both sides: the provider's files under `/files/`, and S3 under every other path."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = folder / self.path.rpartition("/")[2]
            self._answer(200, {"content-length": str(path.stat().st_size)})
            with path.open("rb") as file:
                while piece := file.read(MIB):
                    self.wfile.write(piece)

        def do_PUT(self) -> None:
            left, key = int(self.headers["content-length"]), urlsplit(self.path).path
            digest = digests.setdefault(key, hashlib.sha256())
            bucket.sizes[key] = bucket.sizes.get(key, 0) + left
            bucket.parts[key] = bucket.parts.get(key, 0) + 1
            while left:
                piece = self.rfile.read(min(MIB, left))
                digest.update(piece)
                left -= len(piece)
            bucket.sha256[key] = digest.hexdigest()
            self._answer(200, {"content-length": "0", "etag": '"part"'})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            is_begun = "uploadId" in parse_qs(urlsplit(self.path).query)
            told = _XML.format(
                "CompleteMultipartUploadResult" if is_begun else "InitiateMultipartUploadResult",
                "<Bucket>drive</Bucket><UploadId>1</UploadId>",
            ).encode()
            self._answer(200, {"content-length": str(len(told)), "content-type": "application/xml"}, told)

        def _answer(self, status: int, headers: Mapping[str, str], body: bytes = b"") -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            return

    digests: dict[str, Any] = {}
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        bucket = Bucket(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield bucket
        finally:
            server.shutdown()
            thread.join()


def collected(bucket: Bucket, name: str, memory_bytes: int, *, beyond_start: bool) -> dict[str, Any]:
    """Collect a file in a process of that much memory; with `beyond_start`, more than it has after its imports."""
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL": bucket.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "DRIVE_BUCKET": "drive",
        "URL_ALLOWED_HOSTS": urlsplit(bucket.url).netloc,
    }
    script = [sys.executable, "-m", __name__, f"{bucket.url}/files/{name}", str(memory_bytes), str(int(beyond_start))]
    ran = subprocess.run(script, capture_output=True, text=True, check=False, env=environment, timeout=240)
    assert ran.returncode == 0, ran.stderr[-2000:]
    return dict(json.loads(ran.stdout.splitlines()[-1]))


def _function(url: str, memory_bytes: int, beyond_start: bool) -> None:
    from gateway import aws, outputs
    from gateway.provider import Finished, MediaUrl

    aws.client("s3")
    av.open(io.BytesIO(b""), "w", format="mp4").close()
    limit = memory_bytes + (_data_bytes() if beyond_start else 0)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    offers = [{"offer_id": "fox-1@fal", "outputs": 1}]
    [output] = outputs.collect(
        SimpleNamespace(generation_id="gen_1", project_id="demo", kind="video"),  # type: ignore[arg-type]
        SimpleNamespace(offers=offers, output_path=None, output_url_path=None),  # type: ignore[arg-type]
        SimpleNamespace(staged=None, offer_id="fox-1@fal", own_key_of=None),  # type: ignore[arg-type]
        lambda: Finished((MediaUrl(url),)),
    )
    sys.stdout.write(json.dumps(output))


def _data_bytes() -> int:
    """The memory of this process that files do not stand behind."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmData"].split()[0]) * 1024


if __name__ == "__main__":
    _function(sys.argv[1], int(sys.argv[2]), bool(int(sys.argv[3])))
