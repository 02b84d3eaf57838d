"""What all tests share."""

from hypothesis import settings

# No deadline: machines are shared and noisy, and no test is about time.
settings.register_profile("labelwatch", deadline=None)
settings.load_profile("labelwatch")
