/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads password and certificates. The password leaves this process in AUTH alone. */
#include "fpmd/directory/valkey_login.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_secret(const char *what, const char *path, struct error *error)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 && errno == ENOENT)
		return error_set(error, "%s %s is missing", what, path);
	if (fd < 0)
		return error_set(error,
				 "%s %s cannot be read: %s; fpmd's user needs the right to read it",
				 what, path, strerror(errno));
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return error_set(error, "%s %s is not a regular file", what, path);
	}
	if (st.st_mode & (S_IROTH | S_IWOTH)) {
		close(fd);
		return error_set(error, "%s %s can be %s by others; chmod o= %s", what, path,
				 st.st_mode & S_IROTH ? "read" : "written", path);
	}
	return fd;
}

/* The first line. */
static int load_password(const char *path, struct valkey_login *login, struct error *error)
{
	int fd = open_secret("password file", path, error);
	size_t size = 0, length;

	if (fd < 0)
		return -1;
	while (size < sizeof(login->password)) {
		ssize_t got = read(fd, login->password + size, sizeof(login->password) - size);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			error_set(error, "password file %s cannot be read: %s", path,
				  strerror(errno));
			close(fd);
			return -1;
		}
		if (got == 0)
			break;
		size += (size_t)got;
	}
	close(fd);
	for (length = 0; length < size && login->password[length] != '\n' &&
			 login->password[length] != '\r' && login->password[length] != '\0';)
		length++;
	if (length > VALKEY_PASSWORD_MAX)
		return error_set(error, "password file %s: the password is longer than %d bytes",
				 path, VALKEY_PASSWORD_MAX);
	if (length < size && login->password[length] == '\0')
		return error_set(error, "password file %s is no text file", path);
	if (length == 0)
		return error_set(error, "password file %s: its first line is empty", path);
	sodium_memzero(login->password + length, sizeof(login->password) - length);
	return 0;
}

/* Why OpenSSL refused, in its own words. */
static int tls_error(struct error *error, const char *what, const char *path)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;

	if (code != 0 && ERR_GET_LIB(code) == ERR_LIB_SYS)
		reason = strerror(ERR_GET_REASON(code));
	ERR_clear_error();
	return error_set(error, "%s %s cannot be used: %s", what, path,
			 reason != NULL ? reason : "unknown to OpenSSL");
}

static int load_tls(const struct valkey_options *options, struct valkey_login *login,
		    struct error *error)
{
	const char *certificate = options->certificate_file, *key = options->private_key_file;
	int fd;

	ERR_clear_error();
	login->tls = SSL_CTX_new(TLS_client_method());
	if (login->tls == NULL || SSL_CTX_set_min_proto_version(login->tls, TLS1_2_VERSION) != 1)
		return error_set(error, "OpenSSL does not start");
	SSL_CTX_set_verify(login->tls, SSL_VERIFY_PEER, NULL);
	if (options->ca_file[0] != '\0') {
		if (SSL_CTX_load_verify_locations(login->tls, options->ca_file, NULL) != 1)
			return tls_error(error, "ca-file", options->ca_file);
	} else if (SSL_CTX_set_default_verify_paths(login->tls) != 1) {
		return tls_error(error, "the system's certificates", X509_get_default_cert_dir());
	}
	if (certificate[0] == '\0')
		return 0;
	if (SSL_CTX_use_certificate_chain_file(login->tls, certificate) != 1)
		return tls_error(error, "certificate", certificate);
	fd = open_secret("key", key, error);
	if (fd < 0)
		return -1;
	close(fd);
	if (SSL_CTX_use_PrivateKey_file(login->tls, key, SSL_FILETYPE_PEM) != 1)
		return tls_error(error, "key", key);
	return 0;
}

static bool host_is_good(const char *host)
{
	for (const char *at = host; *at != '\0'; at++) {
		if (*at <= ' ' || *at > '~' || strchr("[]/@", *at) != NULL)
			return false;
	}
	return true;
}

static bool prefix_is_good(const char *prefix)
{
	return strlen(prefix) <= VALKEY_PREFIX_MAX &&
	       prefix[strspn(prefix, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "0123456789.-_")] == '\0';
}

static int check_words(const struct valkey_options *options, struct error *error)
{
	if (options->host[0] == '\0' || !host_is_good(options->host))
		return error_set(error,
				 "`directory engine valkey` wants a name or an address, not `%s`",
				 options->host);
	if (options->port == 0)
		return error_set(error, "`directory engine valkey` wants a port from 1 to 65535");
	if (!prefix_is_good(options->prefix))
		return error_set(error,
				 "prefix `%s` of `directory engine valkey`: up to %d letters, "
				 "digits, '.', '-', '_'",
				 options->prefix, VALKEY_PREFIX_MAX);
	if (options->user[0] != '\0' && options->password_file[0] == '\0')
		return error_set(error,
				 "user %s of `directory engine valkey` wants a password-file",
				 options->user);
	if (!options->tls && (options->ca_file[0] != '\0' || options->certificate_file[0] != '\0' ||
			      options->private_key_file[0] != '\0'))
		return error_set(error, "ca-file, certificate and key of `directory engine valkey` "
					"want tls");
	if ((options->certificate_file[0] == '\0') != (options->private_key_file[0] == '\0'))
		return error_set(error,
				 "`directory engine valkey` wants certificate and key together");
	if (options->record_lifetime_s == 0)
		return error_set(error, "the records' lifetime cannot be 0");
	return 0;
}

int valkey_login_load(const struct valkey_options *options, struct valkey_login *login,
		      struct error *error)
{
	memset(login, 0, sizeof(*login));
	if (check_words(options, error) != 0)
		return -1;
	memcpy(login->user, options->user, sizeof(login->user));
	memcpy(login->server_name, options->server_name, sizeof(login->server_name));
	if ((options->password_file[0] != '\0' &&
	     load_password(options->password_file, login, error) != 0) ||
	    (options->tls && load_tls(options, login, error) != 0)) {
		valkey_login_clear(login);
		return -1;
	}
	return 0;
}

void valkey_login_clear(struct valkey_login *login)
{
	SSL_CTX_free(login->tls);
	sodium_memzero(login, sizeof(*login));
}

SSL *valkey_login_tls(const struct valkey_login *login, const char *host)
{
	SSL *tls = SSL_new(login->tls);
	struct in6_addr address;

	if (tls == NULL)
		return NULL;
	if (login->server_name[0] != '\0')
		host = login->server_name;
	if (address_parse(host, &address) == 0) {
		if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), host) == 1)
			return tls;
	} else if (SSL_set1_host(tls, host) == 1 && SSL_set_tlsext_host_name(tls, host) == 1) {
		return tls;
	}
	SSL_free(tls);
	return NULL;
}
