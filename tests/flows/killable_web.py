"""The platform's WSGI application with the kill points of killable.py around its calls."""

from duaarah.project.wsgi import application as application
from tests.flows.killable import surround

surround("web")
