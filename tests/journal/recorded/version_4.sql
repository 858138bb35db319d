BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'hamn-flow','m0001_runs','2026-05-01 03:14:00.000000+00:00');
INSERT INTO "_sqlite_migrations" VALUES(2,'hamn-flow','m0002_nodes','2026-11-27 08:51:41.436444+00:00');
INSERT INTO "_sqlite_migrations" VALUES(3,'hamn-flow','m0003_what_was_acted','2026-11-27 08:51:41.443623+00:00');
INSERT INTO "_sqlite_migrations" VALUES(4,'hamn-flow','m0004_knocks','2026-11-27 08:51:41.448432+00:00');
CREATE TABLE attempts (
            id INTEGER PRIMARY KEY,
            run TEXT NOT NULL,
            step TEXT NOT NULL,
            number INTEGER NOT NULL,
            at TEXT NOT NULL,
            reason TEXT NOT NULL,
            wait REAL,
            FOREIGN KEY (run, step) REFERENCES steps (run, name)
        ) STRICT;
INSERT INTO "attempts" VALUES(1,'k7m2qx','mn1.unmount./install',1,'2026-05-01T03:14:05.117000+00:00','still mounted',1.0);
INSERT INTO "attempts" VALUES(2,'k7m2qx','mn1.unmount./install',2,'2026-05-01T03:14:06.579000+00:00','still mounted',NULL);
CREATE TABLE commands (
            number INTEGER PRIMARY KEY,
            key TEXT NOT NULL UNIQUE,
            run TEXT NOT NULL,
            step TEXT NOT NULL,
            intent INTEGER NOT NULL,
            command INTEGER NOT NULL,
            direction TEXT NOT NULL CHECK (direction IN ('forward', 'back')),
            node TEXT NOT NULL,
            text TEXT NOT NULL,
            launched_at TEXT NOT NULL,
            ended_at TEXT,
            status INTEGER,
            seconds REAL,
            last_lines TEXT NOT NULL,
            FOREIGN KEY (run, step) REFERENCES steps (run, name)
        ) STRICT;
INSERT INTO "commands" VALUES(1,'k7m2qx-0-1-0','k7m2qx','mn1.stop_service.xcatd',1,0,'forward','mn1','systemctl stop xcatd.service','2026-05-01T03:14:02.924000+00:00','2026-05-01T03:14:03.655000+00:00',0,1.25,'');
INSERT INTO "commands" VALUES(2,'k7m2qx-1-1-0','k7m2qx','mn1.unmount./install',1,0,'forward','mn1','umount /install','2026-05-01T03:14:04.386000+00:00','2026-05-01T03:14:05.117000+00:00',32,0.01,'umount: /install: target is busy.');
INSERT INTO "commands" VALUES(3,'k7m2qx-1-2-0','k7m2qx','mn1.unmount./install',2,0,'forward','mn1','umount /install','2026-05-01T03:14:05.848000+00:00','2026-05-01T03:14:06.579000+00:00',32,0.01,'umount: /install: target is busy.');
CREATE TABLE decisions (
            id INTEGER PRIMARY KEY,
            run TEXT NOT NULL REFERENCES runs (id),
            kind TEXT NOT NULL CHECK (kind IN ('confirm', 'skip', 'abandon')),
            step TEXT NOT NULL,
            who TEXT NOT NULL,
            why TEXT NOT NULL,
            at TEXT NOT NULL
        , direction TEXT NOT NULL DEFAULT 'forward' CHECK (direction IN ('forward', 'back'))) STRICT;
INSERT INTO "decisions" VALUES(1,'zebra2','abandon','','anna','tried by mistake','2026-05-01T03:14:09.503000+00:00','forward');
CREATE TABLE events (
            number INTEGER PRIMARY KEY,
            run TEXT NOT NULL REFERENCES runs (id),
            at TEXT NOT NULL,
            kind TEXT NOT NULL,
            event TEXT NOT NULL
        ) STRICT;
INSERT INTO "events" VALUES(1,'k7m2qx','2026-05-01T03:14:00.731000+00:00','RunPlanned','{"run":"k7m2qx","procedure":"planned_failover","cluster":"hamn","cluster_path":"/etc/hamn-flow/cluster.toml","options":{},"steps":[{"name":"mn1.stop_service.xcatd","stage":"stop services","node":"mn1","title":"Stop a service, and keep it from coming back.","kind":"hamn_flow.steps.services:StopService","version":1,"fields":{"node":"mn1","service":"xcatd"}},{"name":"mn1.unmount./install","stage":"unmount","node":"mn1","title":"Unmount a shared file system, so that the other node may mount it.","kind":"hamn_flow.steps.file_systems:Unmount","version":1,"fields":{"node":"mn1","mount_point":"/install"}}]}');
INSERT INTO "events" VALUES(2,'k7m2qx','2026-05-01T03:14:00.731000+00:00','RunBegun','{"run":"k7m2qx","direction":"forward","who":"anna","anew":true,"back_to":""}');
INSERT INTO "events" VALUES(3,'k7m2qx','2026-05-01T03:14:01.462000+00:00','NodeSeen','{"run":"k7m2qx","node":"mn1","boot_id":"11111111-2222-3333-4444-555555555555","generation":1}');
INSERT INTO "events" VALUES(4,'k7m2qx','2026-05-01T03:14:02.193000+00:00','NodeSeen','{"run":"k7m2qx","node":"mn2","boot_id":"66666666-7777-8888-9999-000000000000","generation":1}');
INSERT INTO "events" VALUES(5,'k7m2qx','2026-05-01T03:14:02.924000+00:00','StepBegun','{"run":"k7m2qx","step":"mn1.stop_service.xcatd","direction":"forward","intent":1,"reason":"active","seen":{"units":["xcatd.service"]}}');
INSERT INTO "events" VALUES(6,'k7m2qx','2026-05-01T03:14:02.924000+00:00','CommandLaunched','{"run":"k7m2qx","step":"mn1.stop_service.xcatd","intent":1,"number":0,"direction":"forward","key":"k7m2qx-0-1-0","node":"mn1","text":"systemctl stop xcatd.service"}');
INSERT INTO "events" VALUES(7,'k7m2qx','2026-05-01T03:14:03.655000+00:00','CommandEnded','{"run":"k7m2qx","key":"k7m2qx-0-1-0","status":0,"seconds":1.25,"last_lines":""}');
INSERT INTO "events" VALUES(8,'k7m2qx','2026-05-01T03:14:03.655000+00:00','StepSettled','{"run":"k7m2qx","step":"mn1.stop_service.xcatd","state":"done","reason":"inactive","changed":true}');
INSERT INTO "events" VALUES(9,'k7m2qx','2026-05-01T03:14:03.655000+00:00','CheckpointReached','{"run":"k7m2qx","checkpoint":"stop services"}');
INSERT INTO "events" VALUES(10,'k7m2qx','2026-05-01T03:14:04.386000+00:00','StepBegun','{"run":"k7m2qx","step":"mn1.unmount./install","direction":"forward","intent":1,"reason":"mounted from /dev/vdb","seen":{"source":"/dev/vdb","options":"rw"}}');
INSERT INTO "events" VALUES(11,'k7m2qx','2026-05-01T03:14:04.386000+00:00','CommandLaunched','{"run":"k7m2qx","step":"mn1.unmount./install","intent":1,"number":0,"direction":"forward","key":"k7m2qx-1-1-0","node":"mn1","text":"umount /install"}');
INSERT INTO "events" VALUES(12,'k7m2qx','2026-05-01T03:14:05.117000+00:00','CommandEnded','{"run":"k7m2qx","key":"k7m2qx-1-1-0","status":32,"seconds":0.01,"last_lines":"umount: /install: target is busy."}');
INSERT INTO "events" VALUES(13,'k7m2qx','2026-05-01T03:14:05.117000+00:00','AttemptFailed','{"run":"k7m2qx","step":"mn1.unmount./install","number":1,"reason":"still mounted","wait":1.0}');
INSERT INTO "events" VALUES(14,'k7m2qx','2026-05-01T03:14:05.848000+00:00','StepBegun','{"run":"k7m2qx","step":"mn1.unmount./install","direction":"forward","intent":2,"reason":"mounted from /dev/vdb","seen":{"source":"/dev/vdb","options":"ro"}}');
INSERT INTO "events" VALUES(15,'k7m2qx','2026-05-01T03:14:05.848000+00:00','CommandLaunched','{"run":"k7m2qx","step":"mn1.unmount./install","intent":2,"number":0,"direction":"forward","key":"k7m2qx-1-2-0","node":"mn1","text":"umount /install"}');
INSERT INTO "events" VALUES(16,'k7m2qx','2026-05-01T03:14:06.579000+00:00','CommandEnded','{"run":"k7m2qx","key":"k7m2qx-1-2-0","status":32,"seconds":0.01,"last_lines":"umount: /install: target is busy."}');
INSERT INTO "events" VALUES(17,'k7m2qx','2026-05-01T03:14:06.579000+00:00','AttemptFailed','{"run":"k7m2qx","step":"mn1.unmount./install","number":2,"reason":"still mounted","wait":null}');
INSERT INTO "events" VALUES(18,'k7m2qx','2026-05-01T03:14:06.579000+00:00','StepSettled','{"run":"k7m2qx","step":"mn1.unmount./install","state":"failed","reason":"still mounted","changed":false}');
INSERT INTO "events" VALUES(19,'k7m2qx','2026-05-01T03:14:06.579000+00:00','RunHalted','{"run":"k7m2qx","step":"mn1.unmount./install","reason":"/install on mn1 is held by rsync (4711)","hint":"Type hamn-flow resume k7m2qx once it is free."}');
INSERT INTO "events" VALUES(20,'zebra2','2026-05-01T03:14:07.310000+00:00','RunPlanned','{"run":"zebra2","procedure":"planned_failover","cluster":"hamn","cluster_path":"/etc/hamn-flow/cluster.toml","options":{},"steps":[{"name":"mn1.stop_service.xcatd","stage":"stop services","node":"mn1","title":"Stop a service, and keep it from coming back.","kind":"hamn_flow.steps.services:StopService","version":1,"fields":{"node":"mn1","service":"xcatd"}},{"name":"mn1.unmount./install","stage":"unmount","node":"mn1","title":"Unmount a shared file system, so that the other node may mount it.","kind":"hamn_flow.steps.file_systems:Unmount","version":1,"fields":{"node":"mn1","mount_point":"/install"}}]}');
INSERT INTO "events" VALUES(21,'zebra2','2026-05-01T03:14:07.310000+00:00','RunBegun','{"run":"zebra2","direction":"forward","who":"anna","anew":true,"back_to":""}');
INSERT INTO "events" VALUES(22,'zebra2','2026-05-01T03:14:08.041000+00:00','NodeSeen','{"run":"zebra2","node":"mn1","boot_id":"old","generation":2}');
INSERT INTO "events" VALUES(23,'zebra2','2026-05-01T03:14:08.772000+00:00','NodeSeen','{"run":"zebra2","node":"mn1","boot_id":"aaaaaaaa-2222-3333-4444-555555555555","generation":3}');
INSERT INTO "events" VALUES(24,'zebra2','2026-05-01T03:14:09.503000+00:00','Decided','{"run":"zebra2","kind":"abandon","step":"","who":"anna","why":"tried by mistake"}');
INSERT INTO "events" VALUES(25,'zebra2','2026-05-01T03:14:09.503000+00:00','RunEnded','{"run":"zebra2","state":"abandoned"}');
CREATE TABLE knocks (
            id INTEGER PRIMARY KEY,
            run TEXT NOT NULL REFERENCES runs (id),
            at TEXT NOT NULL,
            answer TEXT NOT NULL CHECK (answer IN ('xcatd', 'address', 'nothing')),
            first INTEGER NOT NULL CHECK (first IN (0, 1))
        ) STRICT;
CREATE TABLE nodes (
            run TEXT NOT NULL REFERENCES runs (id),
            node TEXT NOT NULL,
            boot_id TEXT NOT NULL,
            generation INTEGER NOT NULL,
            seen_at TEXT NOT NULL,
            PRIMARY KEY (run, node)
        ) STRICT;
INSERT INTO "nodes" VALUES('k7m2qx','mn1','11111111-2222-3333-4444-555555555555',1,'2026-05-01T03:14:01.462000+00:00');
INSERT INTO "nodes" VALUES('k7m2qx','mn2','66666666-7777-8888-9999-000000000000',1,'2026-05-01T03:14:02.193000+00:00');
INSERT INTO "nodes" VALUES('zebra2','mn1','aaaaaaaa-2222-3333-4444-555555555555',3,'2026-05-01T03:14:08.772000+00:00');
CREATE TABLE runs (
            number INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            procedure TEXT NOT NULL,
            cluster TEXT NOT NULL,
            cluster_path TEXT NOT NULL,
            options TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN
                ('planned', 'running', 'waiting', 'rolling_back', 'done', 'rolled_back', 'abandoned')),
            direction TEXT NOT NULL CHECK (direction IN ('forward', 'back')),
            checkpoint TEXT NOT NULL,
            epoch INTEGER NOT NULL CHECK (epoch >= 0),
            back_to TEXT NOT NULL,
            created_at TEXT NOT NULL,
            ended_at TEXT,
            halt_step TEXT,
            halt_reason TEXT,
            halt_hint TEXT,
            CHECK ((ended_at IS NOT NULL) = (state IN ('done', 'rolled_back', 'abandoned'))),
            CHECK ((halt_reason IS NOT NULL) = (state = 'waiting'))
        ) STRICT;
INSERT INTO "runs" VALUES(1,'k7m2qx','planned_failover','hamn','/etc/hamn-flow/cluster.toml','{}','waiting','forward','stop services',1,'','2026-05-01T03:14:00.731000+00:00',NULL,'mn1.unmount./install','/install on mn1 is held by rsync (4711)','Type hamn-flow resume k7m2qx once it is free.');
INSERT INTO "runs" VALUES(2,'zebra2','planned_failover','hamn','/etc/hamn-flow/cluster.toml','{}','abandoned','forward','start',1,'','2026-05-01T03:14:07.310000+00:00','2026-05-01T03:14:09.503000+00:00',NULL,NULL,NULL);
CREATE TABLE steps (
            run TEXT NOT NULL REFERENCES runs (id),
            position INTEGER NOT NULL CHECK (position >= 0),
            name TEXT NOT NULL,
            stage TEXT NOT NULL,
            node TEXT NOT NULL,
            title TEXT NOT NULL,
            kind TEXT NOT NULL,
            version INTEGER NOT NULL,
            fields TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN
                ('pending', 'begun', 'done', 'skipped', 'failed', 'in_doubt', 'undone')),
            direction TEXT NOT NULL CHECK (direction IN ('forward', 'back')),
            seen TEXT,
            attempts INTEGER NOT NULL CHECK (attempts >= 0),
            intents INTEGER NOT NULL CHECK (intents >= attempts),
            reason TEXT NOT NULL,
            completed INTEGER NOT NULL CHECK (completed >= 0),
            begun_at TEXT,
            ended_at TEXT, acted INTEGER NOT NULL DEFAULT 0 CHECK (acted IN (0, 1)), failures INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),
            PRIMARY KEY (run, position),
            UNIQUE (run, name)
        ) STRICT;
INSERT INTO "steps" VALUES('k7m2qx',0,'mn1.stop_service.xcatd','stop services','mn1','Stop a service, and keep it from coming back.','hamn_flow.steps.services:StopService',1,'{"node":"mn1","service":"xcatd"}','done','forward','{"units":["xcatd.service"]}',1,1,'inactive',1,'2026-05-01T03:14:02.924000+00:00','2026-05-01T03:14:03.655000+00:00',1,0);
INSERT INTO "steps" VALUES('k7m2qx',1,'mn1.unmount./install','unmount','mn1','Unmount a shared file system, so that the other node may mount it.','hamn_flow.steps.file_systems:Unmount',1,'{"node":"mn1","mount_point":"/install"}','failed','forward','{"source":"/dev/vdb","options":"rw"}',2,2,'still mounted',0,'2026-05-01T03:14:04.386000+00:00','2026-05-01T03:14:06.579000+00:00',1,0);
INSERT INTO "steps" VALUES('zebra2',0,'mn1.stop_service.xcatd','stop services','mn1','Stop a service, and keep it from coming back.','hamn_flow.steps.services:StopService',1,'{"node":"mn1","service":"xcatd"}','pending','forward',NULL,0,0,'',0,NULL,NULL,0,0);
INSERT INTO "steps" VALUES('zebra2',1,'mn1.unmount./install','unmount','mn1','Unmount a shared file system, so that the other node may mount it.','hamn_flow.steps.file_systems:Unmount',1,'{"node":"mn1","mount_point":"/install"}','pending','forward',NULL,0,0,'',0,NULL,NULL,0,0);
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX runs_open ON runs (number) WHERE ended_at IS NULL;
CREATE INDEX commands_run ON commands (run);
CREATE INDEX attempts_run ON attempts (run);
CREATE INDEX decisions_run ON decisions (run);
CREATE INDEX events_run ON events (run);
CREATE TRIGGER events_no_update BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'events are only ever added'); END;
CREATE TRIGGER events_no_delete BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'events are only ever added'); END;
CREATE INDEX knocks_run ON knocks (run);
COMMIT;
