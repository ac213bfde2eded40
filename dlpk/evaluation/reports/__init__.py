"""An evaluation for people and programs: text, JSON, CSV, HTML."""
