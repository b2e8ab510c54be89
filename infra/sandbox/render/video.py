"""Video: a slow zoom into a picture and back, H.264 in MP4, with a music-like AAC track when asked.

Only the first LOOP_FRAMES frames are drawn and encoded. What is longer repeats their packets, each round from its
key frame, so that fifteen seconds of 4K cost no more than one.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import cast

import av
from av.audio.stream import AudioStream
from av.packet import Packet
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream
from PIL import Image, ImageOps

from infra.sandbox.render.audio import MUSIC_RATE_HZ, encoded_packets, play
from infra.sandbox.render.image import decode_image, paint
from infra.sandbox.render.media import Media

FRAMES_PER_SECOND = 24
LOOP_FRAMES = 24
# A zoomed picture is drawn for every second frame only: nobody sees it in a slow zoom, and the cost halves.
FRAMES_PER_PICTURE = 2
LAST_PICTURE_FRAMES = 12
ZOOM = 0.04
# Pictures are drawn no larger, and enlarged by the scaler that turns them into frames, which is faster.
PICTURE_PIXELS_MAX = 1920 * 1080


@dataclass(frozen=True)
class VideoOrder:
    """A video of these pixels and seconds (to the nearest frame).

    Its first frame shows `first_picture`, its last frames show `last_picture`.
    """

    prompt: str
    width: int
    height: int
    seconds: float
    audio: bool = False
    seed: int = 0
    first_picture: bytes | None = None
    last_picture: bytes | None = None

    def render(self) -> Media:
        """Draws and encodes the video."""
        return Media(_film(self), "video/mp4", "mp4", self.width, self.height, _frames(self) / FRAMES_PER_SECOND)


@dataclass(frozen=True)
class Clip:
    """What a video file shows and whether it sounds."""

    seconds: float
    has_sound: bool


def read_clip(content: bytes) -> Clip:
    """Length and sound of a video file, from its header; raises ValueError when it is no video."""
    try:
        with av.open(io.BytesIO(content), "r") as media:
            if not media.streams.video:
                raise ValueError("a file without a video track")
            track = media.streams.video[0]
            if track.duration and track.time_base:
                return Clip(float(track.duration * track.time_base), bool(media.streams.audio))
            if media.duration:
                return Clip(media.duration / av.time_base, bool(media.streams.audio))
            raise ValueError("a video of unknown length")
    except av.error.FFmpegError as error:
        raise ValueError("not a media file") from error


def _frames(order: VideoOrder) -> int:
    return max(1, round(order.seconds * FRAMES_PER_SECOND))


def _film(order: VideoOrder) -> bytes:
    buffer = io.BytesIO()
    frames = _frames(order)
    with av.open(buffer, "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=FRAMES_PER_SECOND)
        video.width, video.height, video.pix_fmt = order.width, order.height, "yuv420p"
        # Without B-frames (ultrafast has none) packets come in the order they are shown, and may be cut anywhere.
        video.options = {"preset": "ultrafast", "crf": "26", "g": str(LOOP_FRAMES), "forced-idr": "1"}
        sound: AudioStream | None = None
        if order.audio:
            sound = container.add_stream("aac", rate=MUSIC_RATE_HZ)
            sound.layout = "mono"
        for index, packet in enumerate(_packets(video, order, frames)):
            packet.stream = video
            packet.time_base = Fraction(1, FRAMES_PER_SECOND)
            packet.pts = packet.dts = index
            packet.duration = 1
            container.mux(packet)
        if sound is not None:
            samples = play(order.prompt, frames / FRAMES_PER_SECOND, order.seed)
            for packet_of_sound in encoded_packets(sound, samples, MUSIC_RATE_HZ):
                container.mux(packet_of_sound)
    return buffer.getvalue()


def _packets(video: VideoStream, order: VideoOrder, frames: int) -> Iterator[Packet[VideoStream]]:
    """One packet for each frame: the loop as often as needed, then the last picture."""
    closing = min(LAST_PICTURE_FRAMES, frames // 2) if order.last_picture else 0
    drawn = min(LOOP_FRAMES, frames - closing)
    encoded: list[Packet[VideoStream]] = []
    for index, frame in enumerate([*_loop(order, drawn), *_closing(order, closing)]):
        frame.pts, frame.time_base = index, Fraction(1, FRAMES_PER_SECOND)
        # The closing part begins anew, as it may follow any frame of the loop.
        frame.pict_type = PictureType.I if index in (0, drawn) else PictureType.NONE
        encoded += video.encode(frame)
    encoded += video.encode(None)
    kept = [(bytes(packet), packet.is_keyframe) for packet in encoded]
    for content, is_keyframe in [*(kept[index % drawn] for index in range(frames - closing)), *kept[drawn:]]:
        packet = cast("Packet[VideoStream]", Packet(content))
        packet.is_keyframe = is_keyframe
        yield packet


def _loop(order: VideoOrder, frames: int) -> Iterator[VideoFrame]:
    """The loop's frames; those of the way back are those of the way there."""
    still = _still(order.first_picture, order)
    width, height = still.size
    drawn: dict[int, VideoFrame] = {}
    for index in range(frames):
        picture = index // FRAMES_PER_PICTURE
        step = min(picture, LOOP_FRAMES // FRAMES_PER_PICTURE - picture)
        if step not in drawn:
            inset = ZOOM * step / LOOP_FRAMES
            box = (width * inset, height * inset, width * (1 - inset), height * (1 - inset))
            zoomed = still.resize((width, height), Image.Resampling.BILINEAR, box=box) if step else still
            drawn[step] = _frame(zoomed, order)
        yield drawn[step]


def _closing(order: VideoOrder, frames: int) -> list[VideoFrame]:
    return [_frame(_still(order.last_picture, order), order)] * frames if frames else []


def _still(picture: bytes | None, order: VideoOrder) -> Image.Image:
    """The picture, or a painted one, in the video's shape and of no more than PICTURE_PIXELS_MAX."""
    shrink = min(1.0, math.sqrt(PICTURE_PIXELS_MAX / (order.width * order.height)))
    size = (max(1, round(order.width * shrink)), max(1, round(order.height * shrink)))
    if picture is None:
        return paint(order.prompt, *size, order.seed)
    return ImageOps.fit(decode_image(picture), size)


def _frame(picture: Image.Image, order: VideoOrder) -> VideoFrame:
    """The picture as the encoder takes it, enlarged to the video's pixels."""
    drawn: VideoFrame = VideoFrame.from_image(picture)  # type: ignore[no-untyped-call]
    return drawn.reformat(width=order.width, height=order.height, format="yuv420p")
