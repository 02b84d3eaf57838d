"""One file for each function of app.py, under the same name; each names its ports as Protocols."""
