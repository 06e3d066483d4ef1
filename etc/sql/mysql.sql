-- A database account for orosync on MySQL or MariaDB, which can read the columns below and nothing else, and cannot write.
--
-- Run this file with the mysql client, in Oro's database, as an administrator. Run it again after each upgrade of Oro,
-- because upgrades move columns; it can be run repeatedly. The account is locked until you set a password. If possible,
-- replace % by the name of orosync's host throughout:
--
--     mysql oro < mysql.sql
--     mysql --execute="ALTER USER 'orosync'@'%' IDENTIFIED BY 'a long random password' ACCOUNT UNLOCK"

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
