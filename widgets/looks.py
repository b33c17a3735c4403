"""Looks that the components of our own share."""

__all__ = ["BUTTON_CSS"]

BUTTON_CSS = """
button { font: inherit; font-size: .85rem; padding: .2rem .7rem; border-radius: .4rem;
  cursor: pointer; color: var(--st-text-color); background: var(--st-background-color);
  border: 1px solid var(--st-border-color); }
button:hover, button:focus-visible { border-color: var(--st-primary-color);
  color: var(--st-primary-color); }
button[hidden] { display: none; }
"""
