"""Every row, in blocks by subject."""

from collections.abc import Mapping

from tests.seeds import durations, images, prompts, seedance, settings, slugs, videos
from tests.seeds.table import Row

BLOCKS: Mapping[str, tuple[Row, ...]] = {
    "ids and slugs": slugs.ROWS,
    "prompts": prompts.ROWS,
    "durations": durations.ROWS,
    "settings": settings.ROWS,
    "images": images.ROWS,
    "videos": videos.ROWS,
    "seedance": seedance.ROWS,
}
ROWS = tuple(row for rows in BLOCKS.values() for row in rows)
