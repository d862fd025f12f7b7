"""The application factory: configuration in, a Flask application out; nothing is global but the database.

Reads: the configuration it is handed, and the genesis file when a clock offset is asked for.
"""

from typing import Any

from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Flask
from flask_smorest import Api
from flask_smorest.utils import prepare_response
from werkzeug.middleware.proxy_fix import ProxyFix

from app.core.api import VERSION
from app.core.blueprint import PROBLEM_CONTENT_TYPE, ProblemSchema
from app.core.chain_client import ChainClient
from app.core.clock import Clock, choose_clock
from app.core.config import Config
from app.core.context import EXTENSION, Services
from app.core.database import open_database
from app.core.dpop import ProofReader
from app.core.finality import FinalityWatcher
from app.core.http import install_hooks
from app.core.limits import RequestLimits
from app.core.paths import document_converters, install_converters
from app.core.problems import register_problem_handlers
from app.core.relay import Relay
from app.core.replays import open_replays
from app.core.tokens import TokenIssuer
from app.identity.federation import api as federation
from app.identity.federation.settings import load_providers
from app.identity.twoddoc import api as twoddoc
from app.wiring import BLUEPRINTS

OPENAPI_VERSION = "3.1.0"


class TownApi(Api):
    """flask-smorest whose documented errors are problem documents."""

    ERROR_SCHEMA = ProblemSchema

    def _register_responses(self) -> None:
        response: dict[str, Any] = {
            "description": "Refused: a problem document (RFC 9457) with a stable `code`",
            "schema": self.ERROR_SCHEMA,
        }
        prepare_response(response, self.spec, PROBLEM_CONTENT_TYPE)
        for name in ("DEFAULT_ERROR", "UNPROCESSABLE_ENTITY"):
            self.spec.components.response(name, response, lazy=True)


def create_app(
    config: Config, *, clock: Clock | None = None, chain: ChainClient | None = None
) -> Flask:
    """Build the API and bind the process to its database; tests hand in their own clock and chain client."""
    open_database(config.database_url)
    return assemble_app(config, clock=clock, chain=chain)


def assemble_app(
    config: Config, *, clock: Clock | None = None, chain: ChainClient | None = None
) -> Flask:
    """The application alone, without a database: enough to describe it."""
    app = Flask("beffroi", static_folder=None)
    chain = chain or ChainClient(config.node_urls)
    clock = clock or choose_clock(config)
    install_hooks(app)  # first: also a request that is one too many has its trace id
    limits = RequestLimits(app, config)
    tokens = TokenIssuer(config.token_keys, audience=config.public_url)
    app.extensions[EXTENSION] = Services(
        config=config,
        clock=clock,
        chain=chain,
        relay=Relay(chain, FinalityWatcher(), clock),
        tokens=tokens,
        proofs=ProofReader(
            tokens.derive_secret(b"dpop nonce") if config.token_keys else b"",
            open_replays(config.database_url, config.home),
        ),
        limits=limits,
    )
    app.extensions[federation.EXTENSION] = federation.build_clients(load_providers(config))
    app.extensions[twoddoc.EXTENSION] = twoddoc.build_trust(config)
    app.json.sort_keys = False  # type: ignore[attr-defined]  # Flask's default provider has it
    _register_blueprints(app)
    register_problem_handlers(app)
    if config.trusted_proxies:
        hops = config.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    return app


def _register_blueprints(app: Flask) -> None:
    install_converters(app)
    app.config.update(API_TITLE="Beffroi", API_VERSION=VERSION, OPENAPI_VERSION=OPENAPI_VERSION)
    api = TownApi(
        app,
        spec_kwargs={
            "marshmallow_plugin": MarshmallowPlugin(),
            "info": {
                "description": "The town's citizen API. Keys live on phones: what changes anything is a transaction "
                "they signed, carried in `transaction`; a token only opens routes.",
                "license": {"name": "EUPL-1.2", "identifier": "EUPL-1.2"},
            },
            "servers": [{"url": "/"}],
        },
    )
    document_converters(api)
    api.spec.components.security_scheme(
        "dpop",
        {
            "type": "http",
            "scheme": "dpop",
            "bearerFormat": "JWT",
            "description": "RFC 9449: `Authorization: DPoP <token>` and a fresh proof in the `DPoP` header",
        },
    )
    for blueprint in BLUEPRINTS:
        api.register_blueprint(blueprint)
