# Sourced by the scripts beside it: a throwaway PostgreSQL on port $postgres_port (5094), in $folder/pg.
postgres_bin=$(find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
postgres_port=${postgres_port:-5094}
as_postgres() { if [ "$(id -u)" -eq 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }

# Full durability: only sizes are set, and what comes in as further lines.
start_postgres() { # [LINE OF postgresql.conf]…
  [ -n "$postgres_bin" ] || { echo "PostgreSQL is not installed: apt-get install postgresql" >&2; exit 1; }
  chmod 755 "$folder"
  mkdir "$folder/pg"
  [ "$(id -u)" -ne 0 ] || chown postgres "$folder/pg"
  as_postgres "$postgres_bin/initdb" -D "$folder/pg" -A trust -U postgres >/dev/null
  as_postgres tee -a "$folder/pg/postgresql.conf" >/dev/null <<CONF
port = $postgres_port
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
shared_buffers = 1GB
min_wal_size = 2GB
max_wal_size = 8GB
checkpoint_timeout = 15min
wal_compression = lz4
$(printf '%s\n' "$@")
CONF
  as_postgres "$postgres_bin/pg_ctl" -D "$folder/pg" -l "$folder/pg/log" -s -w start
}

stop_postgres() {
  if [ -d "$folder/pg" ]; then as_postgres "$postgres_bin/pg_ctl" -D "$folder/pg" -m immediate -s stop || true; fi
}
