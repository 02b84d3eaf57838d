"""What all tests share."""

import functools

import botocore.session
from hypothesis import settings

# No deadline: machines are shared and noisy, and no test is about time.
settings.register_profile("labelwatch", deadline=None)
settings.load_profile("labelwatch")

# Each session would parse the models of AWS's services anew, which takes most of the time of creating a client.
botocore.session.create_loader = functools.cache(botocore.session.create_loader)
