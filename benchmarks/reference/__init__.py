"""The reference programme's way, rebuilt from its description in its best variant."""
