"""Wiring only: configuration, effects, start and stop of one validator process."""

from chain.node.config import NodeConfig, load_config
from chain.node.home import Home, init_home, load_genesis
from chain.node.main import main

__all__ = ["Home", "NodeConfig", "init_home", "load_config", "load_genesis", "main"]
