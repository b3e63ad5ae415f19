//! The server's configuration: layers, origins, secrets.
