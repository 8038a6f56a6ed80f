"""Characters of scripts that put no spaces between words."""

import re

_KANA_AND_HAN = r"\u3040-\u30ff\u3400-\u9fff"

KANA_AND_HAN = re.compile(f"[{_KANA_AND_HAN}]")
"""Of Chinese and Japanese: dense too, a character says as much as several letters."""
UNSPACED = re.compile(rf"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff{_KANA_AND_HAN}]")
"""These, and Thai, Lao, Burmese and Khmer, whose characters are letters and vowel signs."""
