#!lua
-- Does nothing: a server that is full refuses it (OOM), as it does every script without the flag allow-oom.
--
-- KEYS     workers
-- ARGV
-- REPLY    1
return 1
