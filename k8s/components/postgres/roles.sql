-- Roles, databases and rights. Can be run again at any time, as a superuser:
--   psql -v ON_ERROR_STOP=1 -f this-file postgres
-- Passwords come from the environment: the names behind \getenv.
\set ON_ERROR_STOP on
\set rondo_migrator_password ''
\getenv rondo_migrator_password RONDO_MIGRATOR_PASSWORD
SELECT CASE :'rondo_migrator_password' WHEN '' THEN ('RONDO_MIGRATOR_PASSWORD is empty' || :'rondo_migrator_password')::int END \g /dev/null
\set rondo_auth_password ''
\getenv rondo_auth_password RONDO_AUTH_PASSWORD
SELECT CASE :'rondo_auth_password' WHEN '' THEN ('RONDO_AUTH_PASSWORD is empty' || :'rondo_auth_password')::int END \g /dev/null
\set rondo_user_password ''
\getenv rondo_user_password RONDO_USER_PASSWORD
SELECT CASE :'rondo_user_password' WHEN '' THEN ('RONDO_USER_PASSWORD is empty' || :'rondo_user_password')::int END \g /dev/null
\set rondo_billing_password ''
\getenv rondo_billing_password RONDO_BILLING_PASSWORD
SELECT CASE :'rondo_billing_password' WHEN '' THEN ('RONDO_BILLING_PASSWORD is empty' || :'rondo_billing_password')::int END \g /dev/null
\set rondo_audit_password ''
\getenv rondo_audit_password RONDO_AUDIT_PASSWORD
SELECT CASE :'rondo_audit_password' WHEN '' THEN ('RONDO_AUDIT_PASSWORD is empty' || :'rondo_audit_password')::int END \g /dev/null
\set rondo_stock_password ''
\getenv rondo_stock_password RONDO_STOCK_PASSWORD
SELECT CASE :'rondo_stock_password' WHEN '' THEN ('RONDO_STOCK_PASSWORD is empty' || :'rondo_stock_password')::int END \g /dev/null
\set rondo_delivery_password ''
\getenv rondo_delivery_password RONDO_DELIVERY_PASSWORD
SELECT CASE :'rondo_delivery_password' WHEN '' THEN ('RONDO_DELIVERY_PASSWORD is empty' || :'rondo_delivery_password')::int END \g /dev/null
\set rondo_notification_password ''
\getenv rondo_notification_password RONDO_NOTIFICATION_PASSWORD
SELECT CASE :'rondo_notification_password' WHEN '' THEN ('RONDO_NOTIFICATION_PASSWORD is empty' || :'rondo_notification_password')::int END \g /dev/null
\set rondo_orchestrator_password ''
\getenv rondo_orchestrator_password RONDO_ORCHESTRATOR_PASSWORD
SELECT CASE :'rondo_orchestrator_password' WHEN '' THEN ('RONDO_ORCHESTRATOR_PASSWORD is empty' || :'rondo_orchestrator_password')::int END \g /dev/null
SET password_encryption = 'scram-sha-256';
DO $do$ BEGIN IF (SELECT pg_has_role(datdba, 'USAGE') FROM pg_database WHERE datname = 'postgres') THEN REVOKE CONNECT ON DATABASE postgres FROM PUBLIC; ELSE RAISE WARNING 'everybody may go on to open the database postgres: it belongs to another'; END IF; END $do$;
DO $do$ BEGIN IF (SELECT pg_has_role(datdba, 'USAGE') FROM pg_database WHERE datname = 'template1') THEN REVOKE CONNECT ON DATABASE template1 FROM PUBLIC; ELSE RAISE WARNING 'everybody may go on to open the database template1: it belongs to another'; END IF; END $do$;
SELECT $$CREATE ROLE rondo_migrator LOGIN$$ WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rondo_migrator') \gexec
ALTER ROLE rondo_migrator CONNECTION LIMIT 20;
ALTER ROLE rondo_migrator PASSWORD :'rondo_migrator_password';
SELECT $$GRANT rondo_migrator TO current_user$$ WHERE NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AND current_user <> 'rondo_migrator' \gexec
SELECT $$CREATE ROLE rondo_auth LOGIN$$ WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rondo_auth') \gexec
ALTER ROLE rondo_auth CONNECTION LIMIT 20;
ALTER ROLE rondo_auth PASSWORD :'rondo_auth_password';
SELECT $$CREATE ROLE rondo_user LOGIN$$ WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rondo_user') \gexec
ALTER ROLE rondo_user CONNECTION LIMIT 24;
ALTER ROLE rondo_user PASSWORD :'rondo_user_password';
SELECT $$CREATE ROLE rondo_billing LOGIN$$ WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rondo_billing') \gexec
ALTER ROLE rondo_billing CONNECTION LIMIT 28;
ALTER ROLE rondo_billing PASSWORD :'rondo_billing_password';
SELECT $$CREATE ROLE rondo_audit LOGIN$$ WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rondo_audit') \gexec
ALTER ROLE rondo_audit CONNECTION LIMIT 20;
ALTER ROLE rondo_audit PASSWORD :'rondo_audit_password';
SELECT $$CREATE ROLE rondo_stock LOGIN$$ WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rondo_stock') \gexec
ALTER ROLE rondo_stock CONNECTION LIMIT 28;
ALTER ROLE rondo_stock PASSWORD :'rondo_stock_password';
SELECT $$CREATE ROLE rondo_delivery LOGIN$$ WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rondo_delivery') \gexec
ALTER ROLE rondo_delivery CONNECTION LIMIT 28;
ALTER ROLE rondo_delivery PASSWORD :'rondo_delivery_password';
SELECT $$CREATE ROLE rondo_notification LOGIN$$ WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rondo_notification') \gexec
ALTER ROLE rondo_notification CONNECTION LIMIT 28;
ALTER ROLE rondo_notification PASSWORD :'rondo_notification_password';
SELECT $$CREATE ROLE rondo_orchestrator LOGIN$$ WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rondo_orchestrator') \gexec
ALTER ROLE rondo_orchestrator CONNECTION LIMIT 56;
ALTER ROLE rondo_orchestrator PASSWORD :'rondo_orchestrator_password';
SELECT $$CREATE DATABASE rondo_auth OWNER rondo_migrator$$ WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'rondo_auth') \gexec
SELECT $$ALTER DATABASE rondo_auth OWNER TO rondo_migrator$$ WHERE EXISTS (SELECT FROM pg_database WHERE datname = 'rondo_auth' AND datdba <> 'rondo_migrator'::regrole) \gexec
REVOKE ALL ON DATABASE rondo_auth FROM PUBLIC;
GRANT CONNECT ON DATABASE rondo_auth TO rondo_auth;

\connect rondo_auth
SELECT $$REASSIGN OWNED BY rondo_auth TO rondo_migrator$$ WHERE EXISTS (SELECT FROM pg_class WHERE relowner = 'rondo_auth'::regrole) \gexec
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT ALL ON SCHEMA public TO rondo_migrator;
GRANT USAGE ON SCHEMA public TO rondo_auth;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO rondo_auth;
ALTER DEFAULT PRIVILEGES FOR ROLE rondo_migrator IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO rondo_auth;
SELECT $$REVOKE INSERT, UPDATE, DELETE ON seaql_migrations FROM rondo_auth$$ WHERE to_regclass('public.seaql_migrations') IS NOT NULL \gexec

\connect postgres
SELECT $$CREATE DATABASE rondo_user OWNER rondo_migrator$$ WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'rondo_user') \gexec
SELECT $$ALTER DATABASE rondo_user OWNER TO rondo_migrator$$ WHERE EXISTS (SELECT FROM pg_database WHERE datname = 'rondo_user' AND datdba <> 'rondo_migrator'::regrole) \gexec
REVOKE ALL ON DATABASE rondo_user FROM PUBLIC;
GRANT CONNECT ON DATABASE rondo_user TO rondo_user;

\connect rondo_user
SELECT $$REASSIGN OWNED BY rondo_user TO rondo_migrator$$ WHERE EXISTS (SELECT FROM pg_class WHERE relowner = 'rondo_user'::regrole) \gexec
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT ALL ON SCHEMA public TO rondo_migrator;
GRANT USAGE ON SCHEMA public TO rondo_user;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO rondo_user;
ALTER DEFAULT PRIVILEGES FOR ROLE rondo_migrator IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO rondo_user;
SELECT $$REVOKE INSERT, UPDATE, DELETE ON seaql_migrations FROM rondo_user$$ WHERE to_regclass('public.seaql_migrations') IS NOT NULL \gexec

\connect postgres
SELECT $$CREATE DATABASE rondo_billing OWNER rondo_migrator$$ WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'rondo_billing') \gexec
SELECT $$ALTER DATABASE rondo_billing OWNER TO rondo_migrator$$ WHERE EXISTS (SELECT FROM pg_database WHERE datname = 'rondo_billing' AND datdba <> 'rondo_migrator'::regrole) \gexec
REVOKE ALL ON DATABASE rondo_billing FROM PUBLIC;
GRANT CONNECT ON DATABASE rondo_billing TO rondo_billing;
GRANT CONNECT ON DATABASE rondo_billing TO rondo_audit;

\connect rondo_billing
SELECT $$REASSIGN OWNED BY rondo_billing TO rondo_migrator$$ WHERE EXISTS (SELECT FROM pg_class WHERE relowner = 'rondo_billing'::regrole) \gexec
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT ALL ON SCHEMA public TO rondo_migrator;
GRANT USAGE ON SCHEMA public TO rondo_billing;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO rondo_billing;
ALTER DEFAULT PRIVILEGES FOR ROLE rondo_migrator IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO rondo_billing;
GRANT USAGE ON SCHEMA public TO rondo_audit;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO rondo_audit;
ALTER DEFAULT PRIVILEGES FOR ROLE rondo_migrator IN SCHEMA public GRANT SELECT ON TABLES TO rondo_audit;
SELECT $$REVOKE INSERT, UPDATE, DELETE ON seaql_migrations FROM rondo_billing$$ WHERE to_regclass('public.seaql_migrations') IS NOT NULL \gexec

\connect postgres
SELECT $$CREATE DATABASE rondo_stock OWNER rondo_migrator$$ WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'rondo_stock') \gexec
SELECT $$ALTER DATABASE rondo_stock OWNER TO rondo_migrator$$ WHERE EXISTS (SELECT FROM pg_database WHERE datname = 'rondo_stock' AND datdba <> 'rondo_migrator'::regrole) \gexec
REVOKE ALL ON DATABASE rondo_stock FROM PUBLIC;
GRANT CONNECT ON DATABASE rondo_stock TO rondo_stock;
GRANT CONNECT ON DATABASE rondo_stock TO rondo_audit;

\connect rondo_stock
SELECT $$REASSIGN OWNED BY rondo_stock TO rondo_migrator$$ WHERE EXISTS (SELECT FROM pg_class WHERE relowner = 'rondo_stock'::regrole) \gexec
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT ALL ON SCHEMA public TO rondo_migrator;
GRANT USAGE ON SCHEMA public TO rondo_stock;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO rondo_stock;
ALTER DEFAULT PRIVILEGES FOR ROLE rondo_migrator IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO rondo_stock;
GRANT USAGE ON SCHEMA public TO rondo_audit;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO rondo_audit;
ALTER DEFAULT PRIVILEGES FOR ROLE rondo_migrator IN SCHEMA public GRANT SELECT ON TABLES TO rondo_audit;
SELECT $$REVOKE INSERT, UPDATE, DELETE ON seaql_migrations FROM rondo_stock$$ WHERE to_regclass('public.seaql_migrations') IS NOT NULL \gexec

\connect postgres
SELECT $$CREATE DATABASE rondo_delivery OWNER rondo_migrator$$ WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'rondo_delivery') \gexec
SELECT $$ALTER DATABASE rondo_delivery OWNER TO rondo_migrator$$ WHERE EXISTS (SELECT FROM pg_database WHERE datname = 'rondo_delivery' AND datdba <> 'rondo_migrator'::regrole) \gexec
REVOKE ALL ON DATABASE rondo_delivery FROM PUBLIC;
GRANT CONNECT ON DATABASE rondo_delivery TO rondo_delivery;
GRANT CONNECT ON DATABASE rondo_delivery TO rondo_audit;

\connect rondo_delivery
SELECT $$REASSIGN OWNED BY rondo_delivery TO rondo_migrator$$ WHERE EXISTS (SELECT FROM pg_class WHERE relowner = 'rondo_delivery'::regrole) \gexec
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT ALL ON SCHEMA public TO rondo_migrator;
GRANT USAGE ON SCHEMA public TO rondo_delivery;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO rondo_delivery;
ALTER DEFAULT PRIVILEGES FOR ROLE rondo_migrator IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO rondo_delivery;
GRANT USAGE ON SCHEMA public TO rondo_audit;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO rondo_audit;
ALTER DEFAULT PRIVILEGES FOR ROLE rondo_migrator IN SCHEMA public GRANT SELECT ON TABLES TO rondo_audit;
SELECT $$REVOKE INSERT, UPDATE, DELETE ON seaql_migrations FROM rondo_delivery$$ WHERE to_regclass('public.seaql_migrations') IS NOT NULL \gexec

\connect postgres
SELECT $$CREATE DATABASE rondo_notification OWNER rondo_migrator$$ WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'rondo_notification') \gexec
SELECT $$ALTER DATABASE rondo_notification OWNER TO rondo_migrator$$ WHERE EXISTS (SELECT FROM pg_database WHERE datname = 'rondo_notification' AND datdba <> 'rondo_migrator'::regrole) \gexec
REVOKE ALL ON DATABASE rondo_notification FROM PUBLIC;
GRANT CONNECT ON DATABASE rondo_notification TO rondo_notification;
GRANT CONNECT ON DATABASE rondo_notification TO rondo_audit;

\connect rondo_notification
SELECT $$REASSIGN OWNED BY rondo_notification TO rondo_migrator$$ WHERE EXISTS (SELECT FROM pg_class WHERE relowner = 'rondo_notification'::regrole) \gexec
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT ALL ON SCHEMA public TO rondo_migrator;
GRANT USAGE ON SCHEMA public TO rondo_notification;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO rondo_notification;
ALTER DEFAULT PRIVILEGES FOR ROLE rondo_migrator IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO rondo_notification;
GRANT USAGE ON SCHEMA public TO rondo_audit;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO rondo_audit;
ALTER DEFAULT PRIVILEGES FOR ROLE rondo_migrator IN SCHEMA public GRANT SELECT ON TABLES TO rondo_audit;
SELECT $$REVOKE INSERT, UPDATE, DELETE ON seaql_migrations FROM rondo_notification$$ WHERE to_regclass('public.seaql_migrations') IS NOT NULL \gexec

\connect postgres
SELECT $$CREATE DATABASE rondo_orchestrator OWNER rondo_migrator$$ WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'rondo_orchestrator') \gexec
SELECT $$ALTER DATABASE rondo_orchestrator OWNER TO rondo_migrator$$ WHERE EXISTS (SELECT FROM pg_database WHERE datname = 'rondo_orchestrator' AND datdba <> 'rondo_migrator'::regrole) \gexec
REVOKE ALL ON DATABASE rondo_orchestrator FROM PUBLIC;
GRANT CONNECT ON DATABASE rondo_orchestrator TO rondo_orchestrator;
GRANT CONNECT ON DATABASE rondo_orchestrator TO rondo_audit;

\connect rondo_orchestrator
SELECT $$REASSIGN OWNED BY rondo_orchestrator TO rondo_migrator$$ WHERE EXISTS (SELECT FROM pg_class WHERE relowner = 'rondo_orchestrator'::regrole) \gexec
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT ALL ON SCHEMA public TO rondo_migrator;
GRANT USAGE ON SCHEMA public TO rondo_orchestrator;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO rondo_orchestrator;
ALTER DEFAULT PRIVILEGES FOR ROLE rondo_migrator IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO rondo_orchestrator;
GRANT USAGE ON SCHEMA public TO rondo_audit;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO rondo_audit;
ALTER DEFAULT PRIVILEGES FOR ROLE rondo_migrator IN SCHEMA public GRANT SELECT ON TABLES TO rondo_audit;
SELECT $$REVOKE INSERT, UPDATE, DELETE ON seaql_migrations FROM rondo_orchestrator$$ WHERE to_regclass('public.seaql_migrations') IS NOT NULL \gexec
DO $do$ BEGIN IF current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int < 154 THEN RAISE WARNING 'max_connections should be 154 more than superuser_reserved_connections: as it is, whoever takes over one role can leave the others too few. Raise it, or say fewer --replicas'; END IF; END $do$;
