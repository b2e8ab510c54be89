"""The long lists of words that some inputs allow (fal's endpoint types, August 2026)."""

from __future__ import annotations

# codec_rate_kilobits; bare samples have no bits.
ELEVENLABS_FORMATS = """
mp3_22050_32 mp3_44100_32 mp3_44100_64 mp3_44100_96 mp3_44100_128 mp3_44100_192 pcm_8000 pcm_16000 pcm_22050
pcm_24000 pcm_44100 pcm_48000 ulaw_8000 alaw_8000 opus_48000_32 opus_48000_64 opus_48000_96 opus_48000_128
opus_48000_192
"""

# What the text of MiniMax speech may be boosted to.
MINIMAX_LANGUAGES = """
Chinese Chinese,Yue English Arabic Russian Spanish French Portuguese German Turkish Dutch Ukrainian Vietnamese
Indonesian Japanese Italian Korean Thai Polish Romanian Greek Czech Finnish Hindi Bulgarian Danish Hebrew Malay
Slovak Swedish Croatian Hungarian Norwegian Slovenian Catalan Nynorsk Afrikaans auto
"""

# Voices of Gemini speech.
GEMINI_VOICES = """
Achernar Achird Algenib Algieba Alnilam Aoede Autonoe Callirrhoe Charon Despina Enceladus Erinome Fenrir Gacrux
Iapetus Kore Laomedeia Leda Orus Pulcherrima Puck Rasalgethi Sadachbia Sadaltager Schedar Sulafat Umbriel
Vindemiatrix Zephyr Zubenelgenubi
"""

# Languages of Gemini speech, separated by bars.
_LANGUAGES = """
Arabic (Egypt)|Bangla (Bangladesh)|Dutch (Netherlands)|English (India)|English (US)|French (France)|
German (Germany)|Hindi (India)|Indonesian (Indonesia)|Italian (Italy)|Japanese (Japan)|
Korean (South Korea)|Marathi (India)|Polish (Poland)|Portuguese (Brazil)|Romanian (Romania)|
Russian (Russia)|Spanish (Spain)|Tamil (India)|Telugu (India)|Thai (Thailand)|Turkish (Turkey)|
Ukrainian (Ukraine)|Vietnamese (Vietnam)|Afrikaans (South Africa)|Albanian (Albania)|Amharic (Ethiopia)|
Arabic (World)|Armenian (Armenia)|Azerbaijani (Azerbaijan)|Basque (Spain)|Belarusian (Belarus)|
Bulgarian (Bulgaria)|Burmese (Myanmar)|Catalan (Spain)|Cebuano (Philippines)|Chinese Mandarin (China)|
Chinese Mandarin (Taiwan)|Croatian (Croatia)|Czech (Czech Republic)|Danish (Denmark)|English (Australia)|
English (UK)|Estonian (Estonia)|Filipino (Philippines)|Finnish (Finland)|French (Canada)|Galician (Spain)|
Georgian (Georgia)|Greek (Greece)|Gujarati (India)|Haitian Creole (Haiti)|Hebrew (Israel)|
Hungarian (Hungary)|Icelandic (Iceland)|Javanese (Java)|Kannada (India)|Konkani (India)|Lao (Laos)|
Latin (Vatican City)|Latvian (Latvia)|Lithuanian (Lithuania)|Luxembourgish (Luxembourg)|
Macedonian (North Macedonia)|Maithili (India)|Malagasy (Madagascar)|Malay (Malaysia)|Malayalam (India)|
Mongolian (Mongolia)|Nepali (Nepal)|Norwegian Bokmal (Norway)|Norwegian Nynorsk (Norway)|Odia (India)|
Pashto (Afghanistan)|Persian (Iran)|Portuguese (Portugal)|Punjabi (India)|Serbian (Serbia)|Sindhi (India)|
Sinhala (Sri Lanka)|Slovak (Slovakia)|Slovenian (Slovenia)|Spanish (Latin America)|Spanish (Mexico)|
Swahili (Kenya)|Swedish (Sweden)|Urdu (Pakistan)
"""
GEMINI_LANGUAGES = _LANGUAGES.replace("\n", "").split("|")

# Style presets of Ideogram 3.
IDEOGRAM_PRESETS = """
80S_ILLUSTRATION 90S_NOSTALGIA ABSTRACT_ORGANIC ANALOG_NOSTALGIA ART_BRUT ART_DECO ART_POSTER AURA AVANT_GARDE
BAUHAUS BLUEPRINT BLURRY_MOTION BRIGHT_ART C4D_CARTOON CHILDRENS_BOOK COLLAGE COLORING_BOOK_I COLORING_BOOK_II
CUBISM DARK_AURA DOODLE DOUBLE_EXPOSURE DRAMATIC_CINEMA EDITORIAL EMOTIONAL_MINIMAL ETHEREAL_PARTY EXPIRED_FILM
FLAT_ART FLAT_VECTOR FOREST_REVERIE GEO_MINIMALIST GLASS_PRISM GOLDEN_HOUR GRAFFITI_I GRAFFITI_II HALFTONE_PRINT
HIGH_CONTRAST HIPPIE_ERA ICONIC JAPANDI_FUSION JAZZY LONG_EXPOSURE MAGAZINE_EDITORIAL MINIMAL_ILLUSTRATION
MIXED_MEDIA MONOCHROME NIGHTLIFE OIL_PAINTING OLD_CARTOONS PAINT_GESTURE POP_ART RETRO_ETCHING RIVIERA_POP
SPOTLIGHT_80S STYLIZED_RED SURREAL_COLLAGE TRAVEL_POSTER VINTAGE_GEO VINTAGE_POSTER WATERCOLOR WEIRD
WOODBLOCK_PRINT
"""

# Styles of Recraft 3: a name, or a name and a sub-style.
_REALISTIC = """
b_and_w hard_flash hdr natural_light studio_portrait enterprise motion_blur evening_light faded_nostalgia
forest_life mystic_naturalism natural_tones organic_calm real_life_glow retro_realism retro_snapshot urban_drama
village_realism warm_folk
"""
_DRAWN = """
pixel_art hand_drawn grain infantile_sketch 2d_art_poster handmade_3d hand_drawn_outline engraving_color
2d_art_poster_2 antiquarian bold_fantasy child_book child_books cover crosshatch digital_engraving expressionism
freehand_details grain_20 graphic_intensity hard_comics long_shadow modern_folk multicolor neon_calm noir
nostalgic_pastel outline_details pastel_gradient pastel_sketch pop_art pop_renaissance street_art tablet_sketch
urban_glow urban_sketching vanilla_dreams young_adult_book young_adult_book_2
"""
_VECTOR = """
bold_stroke chemistry colored_stencil contour_pop_art cosmics cutout depressive editorial emotional_flat
infographical marker_outline mosaic naivector roundish_flat segmented_colors sharp_contrast thin vector_photo
vivid_shapes engraving line_art line_circuit linocut
"""
RECRAFT_STYLES = [
    *("any", "realistic_image", "digital_illustration", "vector_illustration"),
    *(f"realistic_image/{style}" for style in _REALISTIC.split()),
    *(f"digital_illustration/{style}" for style in _DRAWN.split()),
    *(f"vector_illustration/{style}" for style in _VECTOR.split()),
]
