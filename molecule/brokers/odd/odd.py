"""An application that does what the case at hand says, from the environment."""

import json
import os

from celery import Celery

app = Celery("odd")
app.conf.update(json.loads(os.environ["ODD"]))


@app.task
def work() -> None:
    """Do nothing."""
