"""What a WSGI server loads: `gunicorn -k gthread app.wsgi:application`, configured by the environment."""

import os

from app.core.config import load_config
from app.core.logs import configure_logging
from app.factory import create_app

configure_logging(quiet=os.environ.get("BEFFROI_LOG") == "quiet")
application = create_app(load_config(os.environ))
