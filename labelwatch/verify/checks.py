"""All checks in their order. A new check is a function here, and a line in this table."""

from labelwatch.verify import api, pipeline, uploads
from labelwatch.verify.run import Checks

CHECKS: Checks = {
    "API without a token": api.no_token,
    "API with a malformed token": api.malformed_token,
    "API with a wrong token": api.wrong_token,
    "API with an unknown path": api.unknown_path,
    "API with an unknown link": api.unknown_link,
    "API with a valid token": api.valid_token,
    "Upload with another key": uploads.another_key,
    "Upload with another type": uploads.another_type,
    "Upload with another header": uploads.another_header,
    "Upload of another size": uploads.another_size,
    "Upload without a condition": uploads.no_condition,
    "Subscription": pipeline.subscribe,
    "Model": uploads.model,
    "Upload": uploads.upload,
    "Second upload": uploads.second_upload,
    "Detection": pipeline.detection,
    "Expected label": pipeline.expected_label,
    "Test prediction": pipeline.prediction,
    "Alert published": pipeline.alert_record,
    "Alert received": pipeline.received_alert,
    "Lines of the alert": pipeline.alert_lines,
    "Link of the alert": pipeline.alert_link,
    "Picture of the alert": pipeline.picture,
    "Dead letters": pipeline.dead_letters,
    "API with a revoked token": api.revoked_token,
}
