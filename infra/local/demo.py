"""`make demo`: an image, a video made of it, and a spoken sentence, with the exact bill of all three.

Starts a system of its own, beside one that may be running, and stops it. The calls are those of `tell_story`; the
rest checks what came back and adds up what it cost.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
from PIL import Image
from rich.box import SIMPLE_HEAD
from rich.table import Table

from infra.local.console import Console
from infra.local.layout import ROOT, Layout
from infra.local.problems import LocalProblem
from infra.local.system import running
from museway import Client, MusewayError
from museway.records import verify

OUTPUT = ROOT / "demo-output"
PROMPT = "a lighthouse on a cliff at dusk, waves below, warm light in the window"
SENTENCE = "The light has been on since before anyone in the village was born."

Phase = Callable[[str], AbstractContextManager[Callable[[str], None]]]


@dataclass(frozen=True, slots=True)
class Piece:
    """One thing that was made: the result of `Client.run`, its file, and the seconds it took."""

    result: dict[str, Any]
    file: Path
    seconds: float


def tell_story(client: Client, folder: Path, phase: Phase) -> list[Piece]:
    """The three calls, each followed by the download of what it made."""

    def make(what: str, file: str, model: str, **inputs: Any) -> Piece:
        begun = time.monotonic()
        with phase(f"{what} ({model})"):
            result = client.run(model, **inputs)
            path = client.download(result, folder / file)
        return Piece(result, path, time.monotonic() - begun)

    image = make("An image from a prompt", "1-lighthouse.png", "nano-banana", prompt=PROMPT, aspect_ratio="16:9")
    video = make(
        "A video of that image",
        "2-lighthouse-moving.mp4",
        "kuaishou/kling-v3-i2v",
        prompt="the waves roll in and the light turns",
        image_url=image.result["output_url"],
        duration=5,
        generate_audio=True,
    )
    speech = make("A spoken sentence", "3-sentence.mp3", "elevenlabs/eleven-v3", text=SENTENCE)
    return [image, video, speech]


def check_image(file: Path) -> str:
    """The image's size. Raises LocalProblem unless it opens and is 16:9."""
    with Image.open(file) as image:
        image.load()
        width, height = image.size
    if abs(width * 9 - height * 16) > 0.02 * height * 16:
        raise LocalProblem(f"{file} is {width} x {height}, which is not 16:9.")
    return f"{width} x {height}, 16:9"


def check_video(file: Path) -> str:
    """The video's length. Raises LocalProblem unless it plays, lasts 5 s and has sound."""
    with av.open(str(file)) as container:
        if not container.streams.video or not container.streams.audio:
            raise LocalProblem(f"{file} lacks its picture or its sound.")
        seconds = (container.duration or 0) / av.time_base
        frames = sum(1 for _ in container.decode(video=0))
    if abs(seconds - 5) > 0.2 or not frames:
        raise LocalProblem(f"{file} has {frames} frames in {seconds:.2f} s instead of 5 s.")
    return f"{seconds:.1f} s, {frames} frames, sound"


def check_speech(file: Path) -> str:
    """The sound's length. Raises LocalProblem unless it plays."""
    with av.open(str(file)) as container:
        seconds = sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))
    if seconds < 0.5:
        raise LocalProblem(f"{file} holds {seconds:.2f} s of sound only.")
    return f"{seconds:.1f} s of sound"


def bill(pieces: list[Piece], checks: list[str]) -> Table:
    """What each piece is and cost, with the sum."""
    table = Table("made", "is", "took", "credits", "micro-$", box=SIMPLE_HEAD, pad_edge=False)
    for column in table.columns[2:]:
        column.justify = "right"
    for piece, check in zip(pieces, checks, strict=True):
        micros = piece.result["billed_micros"]
        table.add_row(piece.file.name, check, f"{piece.seconds:.1f} s", credits_of(micros), f"{micros:,}")
    total = billed_micros(pieces)
    table.add_section()
    table.add_row("sum", "", "", credits_of(total), f"{total:,}")
    return table


def billed_micros(pieces: list[Piece]) -> int:
    """What the answers of the three calls say they cost."""
    return sum(int(piece.result["billed_micros"]) for piece in pieces)


def credits_of(micros: int) -> str:
    """Micro-dollars as credits, exactly: a credit is a cent, which is 10,000 micro-dollars."""
    whole, rest = divmod(micros, 10_000)
    return f"{whole}.{rest:04d}".rstrip("0").rstrip(".")


def check_records(records: list[dict[str, Any]], file: Path) -> int:
    """Write the records, have `museway verify` recompute them, and answer what they charge in micros.

    Raises LocalProblem when a figure in them is not what its lines say.
    """
    file.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    command = [str(Path(sys.executable).with_name("museway")), "verify", str(file)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode or verify(records):
        raise LocalProblem(f"The billing records do not add up: {(answer.stderr or answer.stdout).strip()}")
    return sum(int(record["amount_micros"]) for record in records)


def run(console: Console) -> None:
    """The demo from start to stop. Raises LocalProblem when anything is not as it should be."""
    OUTPUT.mkdir(exist_ok=True)
    with running(Layout(ROOT / ".museway" / "demo"), console) as local:
        with Client(local["url"], local["api_key"]) as client:
            before = client.balance()
            pieces = tell_story(client, OUTPUT, console.phase)
            after, records = client.balance(), client.records()
        image, video, speech = (piece.file for piece in pieces)
        console.show(bill(pieces, [check_image(image), check_video(video), check_speech(speech)]))
        recomputed = check_records(records, OUTPUT / "records.jsonl")
        report(console, before, after, billed_micros(pieces), recomputed)


def report(
    console: Console, before: dict[str, Any], after: dict[str, Any], charged_micros: int, recomputed_micros: int
) -> None:
    """Say the balances. Raises LocalProblem unless answers, balance and records agree to the micro-dollar."""
    spent = before["available_micros"] - after["available_micros"]
    console.say(f"balance before  {before['available_micros']:>10,} micro-dollars")
    console.say(f"balance after   {after['available_micros']:>10,} micro-dollars, {after['held_micros']} held")
    console.say(f"difference      {spent:>10,}")
    console.say(f"sum of the bill {charged_micros:>10,}")
    console.say(f"museway verify  {recomputed_micros:>10,} recomputed from demo-output/records.jsonl")
    if not spent == charged_micros == recomputed_micros or after["held_micros"]:
        raise LocalProblem("The bill, the balance and the records do not agree.")
    console.say("All three agree to the micro-dollar.")


def main() -> int:
    """The exit status: 0 when all was made and all figures agree."""
    console = Console()
    try:
        run(console)
    except LocalProblem as problem:
        console.problem(problem.message, problem.hint)
        return 1
    except MusewayError as error:
        console.problem(f"{error} ({error.code})", error.hint or "")
        return 1
    except KeyboardInterrupt:
        return 130
    console.say(f"The files are in {OUTPUT}; the system that made them is stopped.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
