"""Become a command with an environment that no shell makes: odd_environment.py '["HEX", …]' COMMAND..."""

import ctypes
import json
import sys

environment = [bytes.fromhex(entry) for entry in json.loads(sys.argv[1])]
words = [word.encode() for word in sys.argv[2:]]
texts = ctypes.c_char_p * (len(words) + 1), ctypes.c_char_p * (len(environment) + 1)
ctypes.CDLL(None).execve(words[0], texts[0](*words, None), texts[1](*environment, None))
sys.exit("it could not be executed")
