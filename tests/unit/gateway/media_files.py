"""Small real media for tests, made by the libraries that the gateway reads with."""

import io
import math
import struct
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import av
from PIL import Image

SIZE = (160, 96)


def picture(form="PNG", size=SIZE, mode="RGB", **options) -> bytes:
    """A picture of noise, so that encoders have something to do."""
    drawn = Image.effect_noise(size, 80).convert(mode)
    out = io.BytesIO()
    drawn.save(out, form, **options)
    return out.getvalue()


def film(form="mp4", video="mpeg4", audio="aac", seconds=2, fps=24, **options) -> bytes:
    """A moving picture of `seconds`, with a tone when `audio` names a codec."""
    with TemporaryDirectory() as folder:  # some formats are finished by reading what was written
        path = Path(folder) / "film"
        with av.open(str(path), "w", format=form, options=options) as container:
            _shoot(container, video, audio, seconds, fps)
        return path.read_bytes()


def _shoot(container, video, audio, seconds, fps):
    stream = container.add_stream(video, rate=fps)
    stream.width, stream.height = SIZE
    stream.pix_fmt = "yuv420p"
    sound = container.add_stream(audio, rate=48000, layout="mono") if audio else None
    for number in range(seconds * fps):
        frame = av.VideoFrame.from_image(Image.new("RGB", SIZE, (number * 5 % 255, 60, 90)))
        frame.pts, frame.time_base = number, Fraction(1, fps)
        container.mux(stream.encode(frame))
    container.mux(stream.encode())
    if sound:
        _tone(container, sound, seconds)


def tone(form="mp3", codec="libmp3lame", seconds=2, layout="mono", bit_rate=None, encoder=None, **options) -> bytes:
    """A tone of `seconds`; `encoder` holds the encoder's options, the rest are the container's."""
    out = io.BytesIO()
    with av.open(out, "w", format=form, options=options) as container:
        stream = container.add_stream(codec, rate=48000, layout=layout, options=encoder or {})
        if bit_rate:
            stream.bit_rate = bit_rate
        _tone(container, stream, seconds)
    return out.getvalue()


def _tone(container, stream, seconds):
    rate, at = 48000, 0
    size = stream.codec_context.frame_size or 1024
    converter = av.AudioResampler(format=stream.format.name, layout=stream.layout.name, rate=rate)
    while at < seconds * rate:
        count = min(size, seconds * rate - at)
        samples = (int(9000 * math.sin(math.tau * 440 * (at + n) / rate)) for n in range(count))
        frame = av.AudioFrame(format="s16", layout="mono", samples=count)
        frame.rate, frame.pts, frame.time_base = rate, at, Fraction(1, rate)
        plane = frame.planes[0]
        plane.update(struct.pack(f"<{count}h", *samples).ljust(plane.buffer_size, b"\0"))
        for ready in converter.resample(frame):
            ready.pts = at
            container.mux(stream.encode(ready))
        at += count
    container.mux(stream.encode(None))
