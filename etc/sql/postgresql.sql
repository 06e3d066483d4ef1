-- A database account for orosync on PostgreSQL, which can read the columns below and nothing else, and cannot write.
--
-- Run this file with psql, connected to Oro's database, as a superuser or as the owner of Oro's tables with CREATEROLE.
-- Run it again after each upgrade of Oro, because upgrades move columns; it can be run repeatedly. Then set a password:
--
--     psql --dbname=oro --file=postgresql.sql
--     psql --dbname=oro --command='\password orosync'
--
-- From Oro 6.1 on a user's authentication status is a key in oro_user.serialized_data, beside all other fields that
-- your application stores there. With --set=view=yes orosync gets a view of that key instead of the column; then set
-- `users = orosync_user` in its [directory:...], and DROP VIEW orosync_user before each upgrade of Oro, which otherwise
-- could not change the columns of the view. (Up to Oro 6.0 the view is not needed.)
--
-- For `origins_from` of a [listen:...], --set=origins=yes gives orosync the Application URL, by a view of this one value
-- of Oro's configuration, and the time of its last change (Oro 7.0 and later). DROP VIEW orosync_application_url before
-- each upgrade of Oro, too.

\set ON_ERROR_STOP on
\set QUIET on
BEGIN;

SELECT 'CREATE ROLE orosync LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'orosync') \gexec
ALTER ROLE orosync CONNECTION LIMIT 32;
ALTER ROLE orosync SET default_transaction_read_only = on;
SELECT format('GRANT CONNECT ON DATABASE %I TO orosync', current_database()) \gexec
SELECT format('GRANT USAGE ON SCHEMA %I TO orosync', current_schema()) \gexec

REVOKE ALL ON oro_user, oro_user_organization, oro_organization, oro_user_access_role, oro_access_role FROM orosync;
GRANT SELECT (user_id, organization_id) ON oro_user_organization TO orosync;
GRANT SELECT (id, enabled) ON oro_organization TO orosync;
GRANT SELECT (user_id, role_id) ON oro_user_access_role TO orosync;
GRANT SELECT (id, role) ON oro_access_role TO orosync;

SELECT EXISTS (
    SELECT FROM information_schema.columns
     WHERE table_schema = current_schema() AND table_name = 'oro_user' AND column_name = 'auth_status_id'
) AS status_has_a_column \gset
\if :{?view}
\else
    \set view no
\endif

\if :status_has_a_column
    GRANT SELECT (id, username, email, email_lowercase, password, enabled, auth_status_id) ON oro_user TO orosync;
\elif :view
    DROP VIEW IF EXISTS orosync_user;
    CREATE VIEW orosync_user WITH (security_barrier) AS
        SELECT id, username, email, email_lowercase, password, enabled, serialized_data ->> 'auth_status' AS auth_status
          FROM oro_user;
    GRANT SELECT ON orosync_user TO orosync;
\else
    GRANT SELECT (id, username, email, email_lowercase, password, enabled, serialized_data) ON oro_user TO orosync;
\endif

\if :{?origins}
\else
    \set origins no
\endif
SELECT EXISTS (
    SELECT FROM information_schema.tables
     WHERE table_schema = current_schema() AND table_name = 'oro_sync_websocket_server_state'
) AS changes_are_noted \gset
\if :origins
    DROP VIEW IF EXISTS orosync_application_url;
    CREATE VIEW orosync_application_url WITH (security_barrier) AS
        SELECT v.text_value FROM oro_config_value v JOIN oro_config c ON c.id = v.config_id
         WHERE c.entity = 'app' AND c.record_id = 0 AND v.section = 'oro_ui' AND v.name = 'application_url';
    GRANT SELECT ON orosync_application_url TO orosync;
    \if :changes_are_noted
        GRANT SELECT (id, updated_at) ON oro_sync_websocket_server_state TO orosync;
    \endif
\endif

COMMIT;
