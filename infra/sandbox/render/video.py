"""Video: a slow zoom into a picture, H.264 in MP4, with a music-like AAC track when asked."""

from __future__ import annotations

import io
from dataclasses import dataclass
from fractions import Fraction

import av
from av.audio.stream import AudioStream
from av.video.stream import VideoStream
from PIL import Image, ImageOps

from infra.sandbox.render.audio import MUSIC_RATE_HZ, encoded_packets, play
from infra.sandbox.render.image import decode_image, paint
from infra.sandbox.render.media import Media

FRAMES_PER_SECOND = 24
# A zoomed picture is drawn for every second frame only: nobody sees it in a slow zoom, and the cost halves.
FRAMES_PER_PICTURE = 2
ZOOM = 0.12


@dataclass(frozen=True)
class VideoOrder:
    """A video of these pixels and seconds (to the nearest frame); its first frame shows `first_picture`."""

    prompt: str
    width: int
    height: int
    seconds: float
    audio: bool = False
    seed: int = 0
    first_picture: bytes | None = None

    def render(self) -> Media:
        """Draws and encodes the video."""
        if self.first_picture is None:
            still = paint(self.prompt, self.width, self.height, self.seed)
        else:
            still = ImageOps.fit(decode_image(self.first_picture), (self.width, self.height))
        content = _film(still, self)
        return Media(content, "video/mp4", "mp4", self.width, self.height, float(self.seconds))


def _film(still: Image.Image, order: VideoOrder) -> bytes:
    buffer = io.BytesIO()
    frames = max(1, round(order.seconds * FRAMES_PER_SECOND))
    with av.open(buffer, "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=FRAMES_PER_SECOND)
        video.width, video.height, video.pix_fmt = order.width, order.height, "yuv420p"
        video.options = {"preset": "ultrafast", "crf": "26"}
        sound: AudioStream | None = None
        if order.audio:
            sound = container.add_stream("aac", rate=MUSIC_RATE_HZ)
            sound.layout = "mono"
        _mux_pictures(container, video, still, frames)
        if sound is not None:
            samples = play(order.prompt, frames / FRAMES_PER_SECOND, order.seed)
            for packet in encoded_packets(sound, samples, MUSIC_RATE_HZ):
                container.mux(packet)
    return buffer.getvalue()


def _mux_pictures(container: av.container.OutputContainer, video: VideoStream, still: Image.Image, frames: int) -> None:
    width, height = still.size
    frame: av.VideoFrame | None = None
    for index in range(frames):
        if frame is None or index % FRAMES_PER_PICTURE == 0:
            inset = ZOOM / 2 * index / frames
            box = (width * inset, height * inset, width * (1 - inset), height * (1 - inset))
            zoomed = still if index == 0 else still.resize((width, height), Image.Resampling.BILINEAR, box=box)
            drawn = av.VideoFrame.from_image(zoomed)  # type: ignore[no-untyped-call]
            frame = drawn.reformat(format="yuv420p")
        frame.pts = index
        frame.time_base = Fraction(1, FRAMES_PER_SECOND)
        for packet in video.encode(frame):
            container.mux(packet)
    for packet in video.encode(None):
        container.mux(packet)
