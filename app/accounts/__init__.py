"""Accounts: opening tickets, opening, and what the holder may see of the own one."""
