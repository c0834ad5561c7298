# Sourced by the scripts beside it: a throwaway PostgreSQL on port $postgres_port (5094), in $folder/pg, and the audit of a shop, for $server.
postgres_bin=$(find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
postgres_port=${postgres_port:-5094}
# The SDK does not start without ICU unless it is told that none is needed; the program needs none.
export DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1
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

# The books of a shop after a load: how many invariants hold; the script ends with those that do not.
audit() { # STORE CONNECTION FOLDER_OF_BUILD
  Jumun__Store=$1 ConnectionStrings__Jumun=$2 dotnet "${3:+$3/}$server" audit >"$folder/audit" || { cat "$folder/audit" >&2; exit 1; }
  echo "the books hold: $(grep -c '^ok' "$folder/audit") invariants"
}
