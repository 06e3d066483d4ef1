-- A database account for orosync on MySQL or MariaDB, which can read the columns below and nothing else, and cannot write.
--
-- Run this file with the mysql client, in Oro's database, as an administrator. Run it again after each upgrade of Oro,
-- because upgrades move columns; it can be run repeatedly. The account is locked until you set a password. If possible,
-- replace % by the name of orosync's host throughout:
--
--     mysql oro < mysql.sql
--     mysql --execute="ALTER USER 'orosync'@'%' IDENTIFIED BY 'a long random password' ACCOUNT UNLOCK"

-- For `origins_from` of a [listen:...], give orosync the Application URL as well, by a view of this one value of Oro's
-- configuration, and the time of its last change (Oro 7.0 and later):
--
--     mysql --init-command='SET @origins = 1' oro < mysql.sql

CREATE USER IF NOT EXISTS 'orosync'@'%' ACCOUNT LOCK;

GRANT SELECT (id, username, email, email_lowercase, password, enabled) ON oro_user TO 'orosync'@'%';
GRANT SELECT (user_id, organization_id) ON oro_user_organization TO 'orosync'@'%';
GRANT SELECT (id, enabled) ON oro_organization TO 'orosync'@'%';
GRANT SELECT (user_id, role_id) ON oro_user_access_role TO 'orosync'@'%';
GRANT SELECT (id, role) ON oro_access_role TO 'orosync'@'%';

-- The authentication status: a column up to Oro 6.0, a key in serialized_data since then.
SET @status = (
    SELECT IF(COUNT(*) > 0, 'auth_status_id', 'serialized_data') FROM information_schema.columns
     WHERE table_schema = DATABASE() AND table_name = 'oro_user' AND column_name = 'auth_status_id'
);
SET @statement = CONCAT('GRANT SELECT (', @status, ') ON oro_user TO ''orosync''@''%''');
PREPARE statement FROM @statement;
EXECUTE statement;
DEALLOCATE PREPARE statement;

SET @statement = IF(@origins = 1, "
    CREATE OR REPLACE SQL SECURITY DEFINER VIEW orosync_application_url AS
    SELECT v.text_value FROM oro_config_value v JOIN oro_config c ON c.id = v.config_id
     WHERE c.entity = 'app' AND c.record_id = 0 AND v.section = 'oro_ui' AND v.name = 'application_url'", 'DO 0');
PREPARE statement FROM @statement;
EXECUTE statement;
DEALLOCATE PREPARE statement;
SET @statement = IF(@origins = 1, "GRANT SELECT ON orosync_application_url TO 'orosync'@'%'", 'DO 0');
PREPARE statement FROM @statement;
EXECUTE statement;
DEALLOCATE PREPARE statement;
SET @noted = (
    SELECT COUNT(*) FROM information_schema.tables
     WHERE table_schema = DATABASE() AND table_name = 'oro_sync_websocket_server_state'
);
SET @statement = IF(
    @origins = 1 AND @noted = 1,
    "GRANT SELECT (id, updated_at) ON oro_sync_websocket_server_state TO 'orosync'@'%'",
    'DO 0'
);
PREPARE statement FROM @statement;
EXECUTE statement;
DEALLOCATE PREPARE statement;
