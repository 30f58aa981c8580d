BEGIN TRANSACTION;
CREATE TABLE annotations (
        job_id TEXT PRIMARY KEY,
        pinned INTEGER NOT NULL DEFAULT 0,
        tags TEXT NOT NULL DEFAULT '[]',
        note TEXT
    );
INSERT INTO "annotations" VALUES('ynw6n4f9ss',1,'["face"]','the best so far');
CREATE TABLE deleted (
        api_base TEXT NOT NULL,
        prediction_id TEXT NOT NULL,
        PRIMARY KEY (api_base, prediction_id)
    ) WITHOUT ROWID;
CREATE TABLE destinations (
        name TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        options TEXT NOT NULL,
        created_at INTEGER NOT NULL
    ) WITHOUT ROWID;
CREATE TABLE events (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        job_id TEXT NOT NULL,
        at INTEGER NOT NULL,
        source TEXT NOT NULL,
        kind TEXT NOT NULL,
        message TEXT NOT NULL
    );
INSERT INTO "events" VALUES(1,'ynw6n4f9ss',1795994861576556,'local','created','Made from {PROJECT}/config/cat-lora/config.json.');
INSERT INTO "events" VALUES(2,'ynw6n4f9ss',1795994861582565,'local','state','Packing the datasets.');
INSERT INTO "events" VALUES(3,'ynw6n4f9ss',1795994861600126,'local','packed','Packed 18 files into 2,801,328 bytes.');
INSERT INTO "events" VALUES(4,'ynw6n4f9ss',1795994861601912,'local','state','Uploading the archive.');
INSERT INTO "events" VALUES(5,'ynw6n4f9ss',1795994861636142,'local','uploaded','The archive is uploaded.');
INSERT INTO "events" VALUES(6,'ynw6n4f9ss',1795994861642321,'local','inputs','The request is complete.');
INSERT INTO "events" VALUES(7,'ynw6n4f9ss',1795994861646063,'local','posting','Asking Replicate to start the job.');
INSERT INTO "events" VALUES(8,'ynw6n4f9ss',1795994861653339,'local','accepted','Replicate accepted it as 1q8am4l53sr0wa5fde4slij4vl.');
INSERT INTO "events" VALUES(9,'ynw6n4f9ss',1795994861657853,'local','state','uploading → queued');
INSERT INTO "events" VALUES(10,'ynw6n4f9ss',1795994861899151,'webhook','start','Replicate has started the run.');
INSERT INTO "events" VALUES(11,'ynw6n4f9ss',1795994861899151,'webhook','state','queued → running');
INSERT INTO "events" VALUES(12,'ynw6n4f9ss',1795994861987821,'webhook','logs','Log output came.');
INSERT INTO "events" VALUES(13,'ynw6n4f9ss',1795994862666558,'storage','file','cat-lora-ynw6n4f9ss/simpletuner/cog-13ff5aa14f/checkpoint-12/pytorch_lora_weights.safetensors arrived, 397,536 bytes');
INSERT INTO "events" VALUES(14,'ynw6n4f9ss',1795994862684412,'storage','file','cat-lora-ynw6n4f9ss/simpletuner/cog-13ff5aa14f/checkpoint-12/training_state.json arrived, 38 bytes');
INSERT INTO "events" VALUES(15,'ynw6n4f9ss',1795994862838617,'storage','file','cat-lora-ynw6n4f9ss/simpletuner/cog-13ff5aa14f/validation_images/step_12_a_tabby_cat_with_green_eyes_on_a_wooden__256x256.png arrived, 114,633 bytes');
INSERT INTO "events" VALUES(16,'ynw6n4f9ss',1795994862903653,'storage','file','cat-lora-ynw6n4f9ss/simpletuner/cog-13ff5aa14f/pytorch_lora_weights.safetensors arrived, 397,536 bytes');
INSERT INTO "events" VALUES(17,'ynw6n4f9ss',1795994862926551,'storage','file','cat-lora-ynw6n4f9ss/simpletuner/cog-13ff5aa14f/simpletuner_config.json arrived, 51 bytes');
INSERT INTO "events" VALUES(18,'ynw6n4f9ss',1795994862940344,'webhook','completed','The run has ended.');
INSERT INTO "events" VALUES(19,'ynw6n4f9ss',1795994862940344,'webhook','state','running → completed');
INSERT INTO "events" VALUES(20,'ynw6n4f9ss',1795994862970397,'local','delivered','Delivered: 2 weights files on this machine.');
INSERT INTO "events" VALUES(21,'uqvrweb6g4',1795994862978037,'local','created','Made from {PROJECT}/config/cat-lora/config.json.');
INSERT INTO "events" VALUES(22,'uqvrweb6g4',1795994862979542,'local','state','Packing the datasets.');
INSERT INTO "events" VALUES(23,'uqvrweb6g4',1795994863001576,'local','packed','Packed 18 files into 2,801,328 bytes.');
INSERT INTO "events" VALUES(24,'uqvrweb6g4',1795994863005907,'local','state','Uploading the archive.');
INSERT INTO "events" VALUES(25,'uqvrweb6g4',1795994863030564,'local','uploaded','The archive is uploaded.');
INSERT INTO "events" VALUES(26,'uqvrweb6g4',1795994863032105,'local','inputs','The request is complete.');
INSERT INTO "events" VALUES(27,'uqvrweb6g4',1795994863037777,'local','posting','Asking Replicate to start the job.');
INSERT INTO "events" VALUES(28,'uqvrweb6g4',1795994863044640,'local','accepted','Replicate accepted it as fz5r4t8ethfvegxiiht16uo8i6.');
INSERT INTO "events" VALUES(29,'uqvrweb6g4',1795994863053853,'local','state','uploading → queued');
INSERT INTO "events" VALUES(30,'uqvrweb6g4',1795994863103007,'webhook','start','Replicate has started the run.');
INSERT INTO "events" VALUES(31,'uqvrweb6g4',1795994863103007,'webhook','state','queued → running');
INSERT INTO "events" VALUES(32,'uqvrweb6g4',1795994863176954,'webhook','logs','Log output came.');
INSERT INTO "events" VALUES(33,'uqvrweb6g4',1795994863384937,'webhook','failed','The run has failed.');
INSERT INTO "events" VALUES(34,'uqvrweb6g4',1795994863384937,'webhook','state','running → failed');
INSERT INTO "events" VALUES(35,'2tcueashst',1795994863406818,'local','created','Made from {PROJECT}/config/cat-lora/config.json.');
INSERT INTO "events" VALUES(36,'2tcueashst',1795994863408528,'local','state','Packing the datasets.');
INSERT INTO "events" VALUES(37,'2tcueashst',1795994863422339,'local','packed','Packed 18 files into 2,801,328 bytes.');
INSERT INTO "events" VALUES(38,'2tcueashst',1795994863423347,'local','state','Uploading the archive.');
INSERT INTO "events" VALUES(39,'2tcueashst',1795994863448095,'local','uploaded','The archive is uploaded.');
INSERT INTO "events" VALUES(40,'2tcueashst',1795994863449536,'local','inputs','The request is complete.');
INSERT INTO "events" VALUES(41,'2tcueashst',1795994863450695,'local','posting','Asking Replicate to start the job.');
INSERT INTO "events" VALUES(42,'2tcueashst',1795994863455111,'local','accepted','Replicate accepted it as {RUNNING}.');
INSERT INTO "events" VALUES(43,'2tcueashst',1795994863457753,'local','state','uploading → queued');
INSERT INTO "events" VALUES(44,'2tcueashst',1795994863511425,'webhook','start','Replicate has started the run.');
INSERT INTO "events" VALUES(45,'2tcueashst',1795994863511425,'webhook','state','queued → running');
INSERT INTO "events" VALUES(46,'2tcueashst',1795994863552030,'webhook','logs','Log output came.');
CREATE TABLE facts (
        name TEXT PRIMARY KEY,
        value TEXT NOT NULL,
        at INTEGER NOT NULL
    ) WITHOUT ROWID;
INSERT INTO "facts" VALUES('account@sandbox','{"valid": true, "user_info": {"username": "sandbox", "name": "sandbox (simulated)", "type": "user", "github_url": "https://github.com/sandbox"}, "error": null, "token_source": "environment", "reason": null, "api_base": "{API}", "sandbox": true}',1795994861156362);
INSERT INTO "facts" VALUES('arrivals_due','[]',1795994862971455);
INSERT INTO "facts" VALUES('listener','{"address": "127.0.0.1:8080", "state": "listening", "problem": "", "warning": "", "tls": false, "listen": "127.0.0.1:0", "allow_public_bind": false, "tls_cert": "", "tls_key": "", "public_url": "", "webhook_url": "", "verify_signatures": true, "allowed_ips": [], "trusted_proxies": [], "outputs": "{HOME}/cloud_outputs", "webhooks": {"accepted": 31, "duplicates": 0, "failed": 0, "rejected": {}, "rejected_total": 0, "last_accepted_at": "2026-11-29T23:27:43.671787+00:00", "last_rejection": null}}',1795994863702874);
INSERT INTO "facts" VALUES('listener_port','8080',1795994861050458);
INSERT INTO "facts" VALUES('spending','{"as_of": "2026-11-29T23:27:41.062203+00:00", "enabled": false, "limit_micros": 50000000, "period": "monthly", "window": "7 d", "action": "warn", "stop_running": false, "spent_micros": 0, "running_micros": 0, "projected_micros": 0, "over_micros": 0, "percent": null, "projected_percent": null, "warn_at_percent": 80, "state": "off", "burn_micros": 0, "active_jobs": 0, "daily_micros": 0, "weekly_micros": 0, "monthly_micros": 0, "words": "$0 / 7 d"}',1795994861063150);
INSERT INTO "facts" VALUES('spending:sandbox','{"as_of": "2026-11-29T23:27:43.521043+00:00", "enabled": false, "limit_micros": 50000000, "period": "monthly", "window": "7 d", "action": "warn", "stop_running": false, "spent_micros": 1377, "running_micros": 11031135, "projected_micros": 11032512, "over_micros": 0, "percent": null, "projected_percent": null, "warn_at_percent": 80, "state": "off", "burn_micros": 975, "active_jobs": 1, "daily_micros": 1377, "weekly_micros": 1377, "monthly_micros": 1377, "words": "<$0.01 / 7 d"}',1795994863521191);
INSERT INTO "facts" VALUES('versions:simpletuner/advanced-trainer-l40s@sandbox','{"versions": [{"id": "03b039c9af162427c6f1cdf5ed510d34b562fb40d9919fb625377d5bd7d9ad2d", "created_at": "2026-10-06T06:12:03.904117+00:00", "model_id": "simpletuner/advanced-trainer-l40s", "full_version": "simpletuner/advanced-trainer-l40s:03b039c9af162427c6f1cdf5ed510d34b562fb40d9919fb625377d5bd7d9ad2d", "cog_version": "0.23.1"}, {"id": "2cf4491d9a1393f8f81b2dbb79e351c1ee0531a7737eed7106453b5ab96a691c", "created_at": "2026-08-22T17:04:51.118204+00:00", "model_id": "simpletuner/advanced-trainer-l40s", "full_version": "simpletuner/advanced-trainer-l40s:2cf4491d9a1393f8f81b2dbb79e351c1ee0531a7737eed7106453b5ab96a691c", "cog_version": "0.18.0"}, {"id": "184ca87c9c9f06f814a94b6633e09a762524ec56cdfc41c5c4223f712b728a97", "created_at": "2026-02-11T09:30:12.345678+00:00", "model_id": "simpletuner/advanced-trainer-l40s", "full_version": "simpletuner/advanced-trainer-l40s:184ca87c9c9f06f814a94b6633e09a762524ec56cdfc41c5c4223f712b728a97", "cog_version": "0.16.7"}], "api_base": "{API}"}',1795994861202857);
CREATE TABLE fetches (
        job_id TEXT NOT NULL,
        name TEXT NOT NULL,
        origin TEXT NOT NULL,
        size INTEGER,
        done_bytes INTEGER NOT NULL,
        state TEXT NOT NULL,
        message TEXT NOT NULL,
        advice TEXT NOT NULL,
        until INTEGER,
        notes TEXT NOT NULL,
        PRIMARY KEY (job_id, name)
    ) WITHOUT ROWID;
CREATE TABLE files (
        job_id TEXT NOT NULL,
        path TEXT NOT NULL,
        size INTEGER NOT NULL,
        sha256 TEXT NOT NULL,
        source TEXT NOT NULL,
        received_at INTEGER NOT NULL,
        missing TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (job_id, path)
    ) WITHOUT ROWID;
INSERT INTO "files" VALUES('ynw6n4f9ss','cat-lora-ynw6n4f9ss/simpletuner/cog-13ff5aa14f/checkpoint-12/pytorch_lora_weights.safetensors',397536,'e573fb03b271cf7685c91fed9d36c921f035ef17eb899b1affc0427444b1c1b6','delivered',1795994862660291,'');
INSERT INTO "files" VALUES('ynw6n4f9ss','cat-lora-ynw6n4f9ss/simpletuner/cog-13ff5aa14f/checkpoint-12/training_state.json',38,'00d9ef9ff8efe76136fcb197291434a5a182f41f780eb2436a8d80db49d9c927','delivered',1795994862681553,'');
INSERT INTO "files" VALUES('ynw6n4f9ss','cat-lora-ynw6n4f9ss/simpletuner/cog-13ff5aa14f/pytorch_lora_weights.safetensors',397536,'532f165b81348b7cf06c459979a0db0dc5049d27b3fd4aca93e3c4ec9fd26838','delivered',1795994862901798,'');
INSERT INTO "files" VALUES('ynw6n4f9ss','cat-lora-ynw6n4f9ss/simpletuner/cog-13ff5aa14f/simpletuner_config.json',51,'6f5358a85eba1e4a6fc4ed678422948d7dea57da548e7bcc7ebc30804f9d6223','delivered',1795994862924266,'');
INSERT INTO "files" VALUES('ynw6n4f9ss','cat-lora-ynw6n4f9ss/simpletuner/cog-13ff5aa14f/validation_images/step_12_a_tabby_cat_with_green_eyes_on_a_wooden__256x256.png',114633,'5e09e110e5a154b5d20e9361dd8e805adb77dcd5df28444158462f11d690894d','delivered',1795994862828422,'');
CREATE TABLE jobs (
        job_id TEXT PRIMARY KEY,
        api_base TEXT NOT NULL,
        prediction_id TEXT NOT NULL DEFAULT '',
        name TEXT NOT NULL,
        config_name TEXT NOT NULL DEFAULT '',
        config_path TEXT NOT NULL DEFAULT '',
        model TEXT NOT NULL DEFAULT '',
        version TEXT NOT NULL DEFAULT '',
        model_family TEXT NOT NULL DEFAULT '',
        model_flavour TEXT NOT NULL DEFAULT '',
        model_type TEXT NOT NULL DEFAULT '',
        lora_type TEXT NOT NULL DEFAULT '',
        hardware TEXT NOT NULL DEFAULT '',
        rate_micros INTEGER NOT NULL DEFAULT 0,
        delivery TEXT NOT NULL DEFAULT '',
        status TEXT NOT NULL,
        provider_status TEXT NOT NULL DEFAULT '',
        stage TEXT NOT NULL DEFAULT '',
        step INTEGER,
        total_steps INTEGER,
        epoch INTEGER,
        epochs INTEGER,
        percent REAL,
        seconds_per_step REAL,
        eta_at INTEGER,
        loss REAL,
        learning_rate REAL,
        cost_micros INTEGER,
        estimate_micros INTEGER,
        created_at INTEGER NOT NULL,
        queued_at INTEGER,
        started_at INTEGER,
        completed_at INTEGER,
        predict_seconds REAL,
        error TEXT NOT NULL DEFAULT '',
        diagnosis TEXT NOT NULL DEFAULT '{}',
        output TEXT NOT NULL DEFAULT 'null',
        output_url TEXT NOT NULL DEFAULT '',
        web_url TEXT NOT NULL DEFAULT '',
        data_removed INTEGER NOT NULL DEFAULT 0,
        data_expires_at INTEGER,
        cancel_requested INTEGER NOT NULL DEFAULT 0,
        log_bytes INTEGER NOT NULL DEFAULT 0,
        log_replaced INTEGER NOT NULL DEFAULT 0,
        file_count INTEGER NOT NULL DEFAULT 0,
        file_bytes INTEGER NOT NULL DEFAULT 0,
        submit TEXT NOT NULL DEFAULT '{}',
        inputs TEXT NOT NULL DEFAULT '{}',
        config TEXT NOT NULL DEFAULT '{}',
        dataloader TEXT NOT NULL DEFAULT '[]',
        parser TEXT NOT NULL DEFAULT '{}',
        rev INTEGER NOT NULL DEFAULT 0
    , loss_smoothed REAL, loss_best REAL, best_step INTEGER, warnings TEXT NOT NULL DEFAULT '[]') WITHOUT ROWID;
INSERT INTO "jobs" VALUES('2tcueashst','{API}','{RUNNING}','cat-lora-3','cat-lora','{PROJECT}/config/cat-lora/config.json','simpletuner/advanced-trainer-l40s','03b039c9af162427c6f1cdf5ed510d34b562fb40d9919fb625377d5bd7d9ad2d','flux','dev','lora','standard','l40s',975,'local','running','processing','Training',9,4000,1,223,0.225,4.20751462111330822718e-03,1795994879741251,0.35,4.5e-05,NULL,11031150,1795994863406613,1795994863406613,1795994863505000,NULL,NULL,'','{}','null','','{SERVER}/p/{RUNNING}',0,NULL,0,6472,0,0,0,'{"phase":"accepted","pack":true,"images":9,"trigger_words":[],"draft":{"config":"{PROJECT}/config/cat-lora/config.json","delivery":{"kind":"local"},"overrides":{"max_train_steps":4000,"lora_rank":2},"consent":true,"accept_delivery":false},"secret_names":["s3_access_key","s3_secret_key"],"mark":"cat-lora-3-2tcueashst","fingerprint":"dd5431839e6318964ebf53a309be45655022fd016164d9e5a28b6fd139f4f208","cancel_after":null,"destination":null,"size":2801328,"sha256":"61108caef8cb7dd78753515728ba6bf0045a64c687b76861ac6601b00f8c09a7","file_url":"{API}/files/NjAxYTJkNGUtMmNhNi00NjFjLWE0ZDQtNDlkNDU1NWVjMGVk","file_id":"NjAxYTJkNGUtMmNhNi00NjFjLWE0ZDQtNDlkNDU1NWVjMGVk","webhook":true,"since":"2026-11-29T23:27:43.450680+00:00","clock_offset":-0.44725}','{"config_json":"{\"--model_family\":\"flux\",\"--model_flavour\":\"dev\",\"--model_type\":\"lora\",\"--pretrained_model_name_or_path\":\"black-forest-labs/FLUX.1-dev\",\"--lora_type\":\"standard\",\"--lora_rank\":2,\"--lora_alpha\":16,\"--base_model_precision\":\"int8-quanto\",\"--mixed_precision\":\"bf16\",\"--gradient_checkpointing\":true,\"--optimizer\":\"adamw_bf16\",\"--learning_rate\":0.0001,\"--lr_scheduler\":\"cosine\",\"--lr_warmup_steps\":20,\"--num_train_epochs\":0,\"--train_batch_size\":1,\"--resolution\":1024,\"--resolution_type\":\"pixel_area\",\"--caption_dropout_probability\":0.1,\"--seed\":42,\"--checkpoint_step_interval\":50,\"--checkpoints_total_limit\":5,\"--validation_prompt\":\"a tabby cat with green eyes on a wooden table\",\"--validation_step_interval\":50,\"--validation_num_inference_steps\":16,\"--validation_guidance\":4.0,\"--validation_resolution\":\"1024x1024\",\"--validation_seed\":42,\"--tracker_project_name\":\"cat-lora\",\"--push_to_hub\":false,\"--report_to\":\"none\",\"--push_checkpoints_to_hub\":false,\"--tracker_run_name\":\"cat-lora-3-2tcueashst\"}","dataloader_json":"[{\"id\":\"photographs\",\"type\":\"local\",\"dataset_type\":\"image\",\"instance_data_dir\":\"datasets/cog/images/photographs\",\"caption_strategy\":\"textfile\",\"crop\":true,\"crop_style\":\"center\",\"crop_aspect\":\"square\",\"resolution\":1024,\"resolution_type\":\"pixel_area\",\"minimum_image_size\":256,\"repeats\":1,\"metadata_backend\":\"discovery\",\"cache_dir_vae\":\"cache/vae/flux/photographs\"},{\"id\":\"text-embeds\",\"type\":\"local\",\"dataset_type\":\"text_embeds\",\"default\":true,\"cache_dir\":\"cache/text/flux\"}]","images":"{API}/files/NjAxYTJkNGUtMmNhNi00NjFjLWE0ZDQtNDlkNDU1NWVjMGVk","max_train_steps":4000,"s3_bucket":"outputs","s3_endpoint_url":"http://127.0.0.1:8080/api/cloud/storage","s3_region":"us-east-1"}','{"model_family":"flux","model_flavour":"dev","model_type":"lora","pretrained_model_name_or_path":"black-forest-labs/FLUX.1-dev","lora_type":"standard","lora_rank":2,"lora_alpha":16,"base_model_precision":"int8-quanto","mixed_precision":"bf16","gradient_checkpointing":true,"optimizer":"adamw_bf16","learning_rate":0.0001,"lr_scheduler":"cosine","lr_warmup_steps":20,"max_train_steps":4000,"num_train_epochs":0,"train_batch_size":1,"resolution":1024,"resolution_type":"pixel_area","caption_dropout_probability":0.1,"seed":42,"checkpoint_step_interval":50,"checkpoints_total_limit":5,"validation_prompt":"a tabby cat with green eyes on a wooden table","validation_step_interval":50,"validation_num_inference_steps":16,"validation_guidance":4.0,"validation_resolution":"1024x1024","validation_seed":42,"data_backend_config":"config/cat-lora/multidatabackend.json","output_dir":"output/cat-lora","tracker_project_name":"cat-lora","push_to_hub":false,"report_to":"none"}','[{"id":"photographs","type":"local","dataset_type":"image","instance_data_dir":"datasets/photographs","caption_strategy":"textfile","crop":true,"crop_style":"center","crop_aspect":"square","resolution":1024,"resolution_type":"pixel_area","minimum_image_size":256,"repeats":1,"metadata_backend":"discovery","cache_dir_vae":"cache/vae/flux/photographs"},{"id":"text-embeds","type":"local","dataset_type":"text_embeds","default":true,"cache_dir":"cache/text/flux"}]','{"parser":{"version":1,"offset":6472,"outcome":null,"line_start":6376,"pending":"Epoch 1/223, Steps:   0%|          | 9/4000 [00:00<00:16, 237.67it/s, lr=4.5e-5, step_loss=0.35]","bar":"Epoch 1/223, Steps:   0%|          | 8/4000 [00:00<00:17, 234.52it/s, lr=4e-5, step_loss=0.473]","last":"Epoch 1/223, Steps:   0%|          | 8/4000 [00:00<00:17, 234.52it/s, lr=4e-5, step_loss=0.473]","series":{"held":"8","body":" 8/4000 [00:00<00:17, 234.52it/s, lr=4e-5, step_loss=0.473","flushed":7,"extra":{},"latest":[["lr",7,"3.5e-05"],["loss",7,"0.274"]]},"stages":{"open":[{"number":7,"key":"training","label":"Training","status":"running","message":"","percent":null,"current":null,"total":null,"step":0,"started_offset":5543,"finished_offset":null,"started_at":"2026-11-29T23:27:43.708017+00:00","finished_at":null}],"count":8,"label":"Training","key":"training","over":false,"settled":true},"reader":{"in_tail":false,"step":0,"total":4000,"epoch":1,"epochs":223,"in_traceback":false,"last_checkpoint":null,"checkpoint_named":false,"published":[]}},"crc32":3951546299}',70,NULL,NULL,NULL,'[]');
INSERT INTO "jobs" VALUES('uqvrweb6g4','{API}','fz5r4t8ethfvegxiiht16uo8i6','cat-lora-2','cat-lora','{PROJECT}/config/cat-lora/config.json','simpletuner/advanced-trainer-l40s','03b039c9af162427c6f1cdf5ed510d34b562fb40d9919fb625377d5bd7d9ad2d','flux','dev','lora','standard','l40s',975,'local','failed','failed','out of memory at step 11',11,12,1,1,9.16666666666666714053e+01,4.13564929693961951667e-03,NULL,0.0767,5.5e-05,281,225225,1795994862977866,1795994862977866,1795994863094000,1795994863382000,0.288594,'CUDA out of memory. Tried to allocate 2.25 GiB. GPU 0 has a total capacity of 44.39 GiB of which 1.02 GiB is free.','{"kind":"out_of_memory","title":"out of memory at step 11","what":"The GPU ran out of memory after step 11 of 12.","evidence":[{"offset":6963,"text":"torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.25 GiB. GPU 0 has a total capacity of 44.39 GiB of which 1.02 GiB is free."},{"offset":7102,"text":"[TRAINING] Training failed: CUDA out of memory. Tried to allocate 2.25 GiB. GPU 0 has a total capacity of 44.39 GiB of which 1.02 GiB is free."}],"error":"CUDA out of memory. Tried to allocate 2.25 GiB. GPU 0 has a total capacity of 44.39 GiB of which 1.02 GiB is free.","advice":["Lower train_batch_size; gradient_accumulation_steps keeps the effective batch.","Turn gradient_checkpointing on: slower, but much less memory.","Train at a lower resolution, or quantise the base model (base_model_precision).","Choose hardware with more memory."],"changes":{}}','null','','{SERVER}/p/fz5r4t8ethfvegxiiht16uo8i6',0,NULL,0,7245,0,0,0,'{"phase":"accepted","pack":true,"images":9,"trigger_words":[],"draft":{"config":"{PROJECT}/config/cat-lora/config.json","delivery":{"kind":"local"},"overrides":{"max_train_steps":12,"lora_rank":2},"consent":true,"accept_delivery":false},"secret_names":["s3_access_key","s3_secret_key"],"mark":"cat-lora-2-uqvrweb6g4","fingerprint":"2fbe15652e48dbb2f17f6861a08867a012a772cd138043f5dd3b855eb66e763c","cancel_after":null,"destination":null,"size":2801328,"sha256":"61108caef8cb7dd78753515728ba6bf0045a64c687b76861ac6601b00f8c09a7","file_url":"{API}/files/Mzg5Mjc1ZjItODQzMi00NjY2LWE1MzAtMGRlZDM0ZWFhMDlm","file_id":"Mzg5Mjc1ZjItODQzMi00NjY2LWE1MzAtMGRlZDM0ZWFhMDlm","webhook":true,"since":"2026-11-29T23:27:43.037761+00:00","clock_offset":-0.029648}','{"config_json":"{\"--model_family\":\"flux\",\"--model_flavour\":\"dev\",\"--model_type\":\"lora\",\"--pretrained_model_name_or_path\":\"black-forest-labs/FLUX.1-dev\",\"--lora_type\":\"standard\",\"--lora_rank\":2,\"--lora_alpha\":16,\"--base_model_precision\":\"int8-quanto\",\"--mixed_precision\":\"bf16\",\"--gradient_checkpointing\":true,\"--optimizer\":\"adamw_bf16\",\"--learning_rate\":0.0001,\"--lr_scheduler\":\"cosine\",\"--lr_warmup_steps\":20,\"--num_train_epochs\":0,\"--train_batch_size\":1,\"--resolution\":1024,\"--resolution_type\":\"pixel_area\",\"--caption_dropout_probability\":0.1,\"--seed\":42,\"--checkpoint_step_interval\":50,\"--checkpoints_total_limit\":5,\"--validation_prompt\":\"a tabby cat with green eyes on a wooden table\",\"--validation_step_interval\":50,\"--validation_num_inference_steps\":16,\"--validation_guidance\":4.0,\"--validation_resolution\":\"1024x1024\",\"--validation_seed\":42,\"--tracker_project_name\":\"cat-lora\",\"--push_to_hub\":false,\"--report_to\":\"none\",\"--push_checkpoints_to_hub\":false,\"--tracker_run_name\":\"cat-lora-2-uqvrweb6g4\"}","dataloader_json":"[{\"id\":\"photographs\",\"type\":\"local\",\"dataset_type\":\"image\",\"instance_data_dir\":\"datasets/cog/images/photographs\",\"caption_strategy\":\"textfile\",\"crop\":true,\"crop_style\":\"center\",\"crop_aspect\":\"square\",\"resolution\":1024,\"resolution_type\":\"pixel_area\",\"minimum_image_size\":256,\"repeats\":1,\"metadata_backend\":\"discovery\",\"cache_dir_vae\":\"cache/vae/flux/photographs\"},{\"id\":\"text-embeds\",\"type\":\"local\",\"dataset_type\":\"text_embeds\",\"default\":true,\"cache_dir\":\"cache/text/flux\"}]","images":"{API}/files/Mzg5Mjc1ZjItODQzMi00NjY2LWE1MzAtMGRlZDM0ZWFhMDlm","max_train_steps":12,"s3_bucket":"outputs","s3_endpoint_url":"http://127.0.0.1:8080/api/cloud/storage","s3_region":"us-east-1"}','{"model_family":"flux","model_flavour":"dev","model_type":"lora","pretrained_model_name_or_path":"black-forest-labs/FLUX.1-dev","lora_type":"standard","lora_rank":2,"lora_alpha":16,"base_model_precision":"int8-quanto","mixed_precision":"bf16","gradient_checkpointing":true,"optimizer":"adamw_bf16","learning_rate":0.0001,"lr_scheduler":"cosine","lr_warmup_steps":20,"max_train_steps":12,"num_train_epochs":0,"train_batch_size":1,"resolution":1024,"resolution_type":"pixel_area","caption_dropout_probability":0.1,"seed":42,"checkpoint_step_interval":50,"checkpoints_total_limit":5,"validation_prompt":"a tabby cat with green eyes on a wooden table","validation_step_interval":50,"validation_num_inference_steps":16,"validation_guidance":4.0,"validation_resolution":"1024x1024","validation_seed":42,"data_backend_config":"config/cat-lora/multidatabackend.json","output_dir":"output/cat-lora","tracker_project_name":"cat-lora","push_to_hub":false,"report_to":"none"}','[{"id":"photographs","type":"local","dataset_type":"image","instance_data_dir":"datasets/photographs","caption_strategy":"textfile","crop":true,"crop_style":"center","crop_aspect":"square","resolution":1024,"resolution_type":"pixel_area","minimum_image_size":256,"repeats":1,"metadata_backend":"discovery","cache_dir_vae":"cache/vae/flux/photographs"},{"id":"text-embeds","type":"local","dataset_type":"text_embeds","default":true,"cache_dir":"cache/text/flux"}]','{"parser":{"version":1,"offset":7245,"outcome":null,"line_start":7245,"pending":"","bar":"Epoch 1/1, Steps:  92%|ââââââââââ| 11/12 [00:00<00:00, 241.80it/s, lr=5.5e-5, step_loss=0.0767]","last":"[TRAINING] Training failed: CUDA out of memory. Tried to allocate 2.25 GiB. GPU 0 has a total capacity of 44.39 GiB of which 1.02 GiB is free.","series":{"held":"11","body":null,"flushed":11,"extra":{},"latest":[["lr",11,"5.5e-05"],["loss",11,"0.0767"]]},"stages":{"open":[{"number":7,"key":"training","label":"Training","status":"running","message":"","percent":null,"current":null,"total":null,"step":0,"started_offset":5537,"finished_offset":null,"started_at":"2026-11-29T23:27:43.358115+00:00","finished_at":null}],"count":8,"label":"Training","key":"training","over":false,"settled":true},"reader":{"in_tail":false,"step":0,"total":12,"epoch":1,"epochs":1,"in_traceback":false,"last_checkpoint":null,"checkpoint_named":false,"published":[]}},"crc32":269462079}',52,NULL,NULL,NULL,'[]');
INSERT INTO "jobs" VALUES('ynw6n4f9ss','{API}','1q8am4l53sr0wa5fde4slij4vl','cat-lora','cat-lora','{PROJECT}/config/cat-lora/config.json','simpletuner/advanced-trainer-l40s','03b039c9af162427c6f1cdf5ed510d34b562fb40d9919fb625377d5bd7d9ad2d','flux','dev','lora','standard','l40s',975,'local','completed','succeeded','',12,12,1,1,100.0,5.60569538651269766438e-03,NULL,0.0818,6.0e-05,1081,225225,1795994861576122,1795994861576122,1795994861829000,1795994862938000,1.109201,'','{}','"http://127.0.0.1:8080/api/cloud/storage/outputs/simpletuner"','http://127.0.0.1:8080/api/cloud/storage/outputs/simpletuner','{SERVER}/p/1q8am4l53sr0wa5fde4slij4vl',0,NULL,0,10907,0,5,909794,'{"phase":"accepted","pack":true,"images":9,"trigger_words":[],"draft":{"config":"{PROJECT}/config/cat-lora/config.json","delivery":{"kind":"local"},"overrides":{"max_train_steps":12,"lora_rank":2},"consent":true,"accept_delivery":false},"secret_names":["s3_access_key","s3_secret_key"],"mark":"cat-lora-ynw6n4f9ss","fingerprint":"7a0eb0efa4cfe554eb8910e1d5db557b9cdbc59ab72a2fdc951db41f986fa7ce","cancel_after":null,"destination":null,"size":2801328,"sha256":"61108caef8cb7dd78753515728ba6bf0045a64c687b76861ac6601b00f8c09a7","file_url":"{API}/files/YTczOTI3ZjgtMDljNi00ODhlLWI5MGItODM0NTY5MDFiYTZl","file_id":"YTczOTI3ZjgtMDljNi00ODhlLWI5MGItODM0NTY5MDFiYTZl","webhook":true,"since":"2026-11-29T23:27:41.646036+00:00","clock_offset":-0.634969,"delivered":{"state":"yes","words":"2 weights files on this machine","advice":"","revision":"","files":2,"missing":[],"at":"2026-11-29T23:27:42.970381+00:00"}}','{"config_json":"{\"--model_family\":\"flux\",\"--model_flavour\":\"dev\",\"--model_type\":\"lora\",\"--pretrained_model_name_or_path\":\"black-forest-labs/FLUX.1-dev\",\"--lora_type\":\"standard\",\"--lora_rank\":2,\"--lora_alpha\":16,\"--base_model_precision\":\"int8-quanto\",\"--mixed_precision\":\"bf16\",\"--gradient_checkpointing\":true,\"--optimizer\":\"adamw_bf16\",\"--learning_rate\":0.0001,\"--lr_scheduler\":\"cosine\",\"--lr_warmup_steps\":20,\"--num_train_epochs\":0,\"--train_batch_size\":1,\"--resolution\":1024,\"--resolution_type\":\"pixel_area\",\"--caption_dropout_probability\":0.1,\"--seed\":42,\"--checkpoint_step_interval\":50,\"--checkpoints_total_limit\":5,\"--validation_prompt\":\"a tabby cat with green eyes on a wooden table\",\"--validation_step_interval\":50,\"--validation_num_inference_steps\":16,\"--validation_guidance\":4.0,\"--validation_resolution\":\"1024x1024\",\"--validation_seed\":42,\"--tracker_project_name\":\"cat-lora\",\"--push_to_hub\":false,\"--report_to\":\"none\",\"--push_checkpoints_to_hub\":false,\"--tracker_run_name\":\"cat-lora-ynw6n4f9ss\"}","dataloader_json":"[{\"id\":\"photographs\",\"type\":\"local\",\"dataset_type\":\"image\",\"instance_data_dir\":\"datasets/cog/images/photographs\",\"caption_strategy\":\"textfile\",\"crop\":true,\"crop_style\":\"center\",\"crop_aspect\":\"square\",\"resolution\":1024,\"resolution_type\":\"pixel_area\",\"minimum_image_size\":256,\"repeats\":1,\"metadata_backend\":\"discovery\",\"cache_dir_vae\":\"cache/vae/flux/photographs\"},{\"id\":\"text-embeds\",\"type\":\"local\",\"dataset_type\":\"text_embeds\",\"default\":true,\"cache_dir\":\"cache/text/flux\"}]","images":"{API}/files/YTczOTI3ZjgtMDljNi00ODhlLWI5MGItODM0NTY5MDFiYTZl","max_train_steps":12,"s3_bucket":"outputs","s3_endpoint_url":"http://127.0.0.1:8080/api/cloud/storage","s3_region":"us-east-1"}','{"model_family":"flux","model_flavour":"dev","model_type":"lora","pretrained_model_name_or_path":"black-forest-labs/FLUX.1-dev","lora_type":"standard","lora_rank":2,"lora_alpha":16,"base_model_precision":"int8-quanto","mixed_precision":"bf16","gradient_checkpointing":true,"optimizer":"adamw_bf16","learning_rate":0.0001,"lr_scheduler":"cosine","lr_warmup_steps":20,"max_train_steps":12,"num_train_epochs":0,"train_batch_size":1,"resolution":1024,"resolution_type":"pixel_area","caption_dropout_probability":0.1,"seed":42,"checkpoint_step_interval":50,"checkpoints_total_limit":5,"validation_prompt":"a tabby cat with green eyes on a wooden table","validation_step_interval":50,"validation_num_inference_steps":16,"validation_guidance":4.0,"validation_resolution":"1024x1024","validation_seed":42,"data_backend_config":"config/cat-lora/multidatabackend.json","output_dir":"output/cat-lora","tracker_project_name":"cat-lora","push_to_hub":false,"report_to":"none"}','[{"id":"photographs","type":"local","dataset_type":"image","instance_data_dir":"datasets/photographs","caption_strategy":"textfile","crop":true,"crop_style":"center","crop_aspect":"square","resolution":1024,"resolution_type":"pixel_area","minimum_image_size":256,"repeats":1,"metadata_backend":"discovery","cache_dir_vae":"cache/vae/flux/photographs"},{"id":"text-embeds","type":"local","dataset_type":"text_embeds","default":true,"cache_dir":"cache/text/flux"}]','{"parser":{"version":1,"offset":10907,"outcome":"completed","line_start":10907,"pending":"","bar":"Epoch 1/1, Steps: 100%|ââââââââââ| 12/12 [00:00<00:00, 178.39it/s, lr=6e-5, step_loss=0.0818][STAGE] â³ Saving Checkpoint: Saving checkpoint to output/cog/cog-13ff5aa14f/checkpoint-12","last":"Checkpoints published to: http://127.0.0.1:8080/api/cloud/storage/outputs/simpletuner","series":{"held":"12","body":null,"flushed":12,"extra":{},"latest":[["lr",12,"6e-05"],["loss",12,"0.0818"],["train_loss",12,"0.182"]]},"stages":{"open":[],"count":14,"label":"Training Complete","key":"training_complete","over":true,"settled":true},"reader":{"in_tail":true,"step":0,"total":12,"epoch":1,"epochs":1,"in_traceback":false,"last_checkpoint":12,"checkpoint_named":false,"published":["http://127.0.0.1:8080/api/cloud/storage/outputs/simpletuner"]}},"crc32":4072684707}',33,NULL,NULL,NULL,'[]');
CREATE TABLE ledger (
        job_id TEXT PRIMARY KEY,
        api_base TEXT NOT NULL,
        prediction_id TEXT NOT NULL,
        name TEXT NOT NULL,
        hardware TEXT NOT NULL,
        status TEXT NOT NULL,
        started_at INTEGER,
        completed_at INTEGER,
        cost_micros INTEGER,
        rate_micros INTEGER NOT NULL,
        created_at INTEGER NOT NULL
    ) WITHOUT ROWID;
CREATE TABLE metrics (
        job_id TEXT NOT NULL,
        name TEXT NOT NULL,
        step INTEGER NOT NULL,
        value REAL,
        PRIMARY KEY (job_id, name, step)
    ) WITHOUT ROWID;
INSERT INTO "metrics" VALUES('2tcueashst','loss',1,0.359);
INSERT INTO "metrics" VALUES('2tcueashst','loss',2,0.318);
INSERT INTO "metrics" VALUES('2tcueashst','loss',3,0.321);
INSERT INTO "metrics" VALUES('2tcueashst','loss',4,0.274);
INSERT INTO "metrics" VALUES('2tcueashst','loss',5,0.29);
INSERT INTO "metrics" VALUES('2tcueashst','loss',6,0.284);
INSERT INTO "metrics" VALUES('2tcueashst','loss',7,0.274);
INSERT INTO "metrics" VALUES('2tcueashst','lr',1,5.0e-06);
INSERT INTO "metrics" VALUES('2tcueashst','lr',2,1.0e-05);
INSERT INTO "metrics" VALUES('2tcueashst','lr',3,1.5e-05);
INSERT INTO "metrics" VALUES('2tcueashst','lr',4,2.0e-05);
INSERT INTO "metrics" VALUES('2tcueashst','lr',5,2.5e-05);
INSERT INTO "metrics" VALUES('2tcueashst','lr',6,3.0e-05);
INSERT INTO "metrics" VALUES('2tcueashst','lr',7,3.5e-05);
INSERT INTO "metrics" VALUES('uqvrweb6g4','loss',1,0.277);
INSERT INTO "metrics" VALUES('uqvrweb6g4','loss',2,0.361);
INSERT INTO "metrics" VALUES('uqvrweb6g4','loss',3,0.27);
INSERT INTO "metrics" VALUES('uqvrweb6g4','loss',4,0.179);
INSERT INTO "metrics" VALUES('uqvrweb6g4','loss',5,0.212);
INSERT INTO "metrics" VALUES('uqvrweb6g4','loss',6,0.19);
INSERT INTO "metrics" VALUES('uqvrweb6g4','loss',7,0.126);
INSERT INTO "metrics" VALUES('uqvrweb6g4','loss',8,0.104);
INSERT INTO "metrics" VALUES('uqvrweb6g4','loss',9,0.103);
INSERT INTO "metrics" VALUES('uqvrweb6g4','loss',10,0.148);
INSERT INTO "metrics" VALUES('uqvrweb6g4','loss',11,0.0767);
INSERT INTO "metrics" VALUES('uqvrweb6g4','lr',1,5.0e-06);
INSERT INTO "metrics" VALUES('uqvrweb6g4','lr',2,1.0e-05);
INSERT INTO "metrics" VALUES('uqvrweb6g4','lr',3,1.5e-05);
INSERT INTO "metrics" VALUES('uqvrweb6g4','lr',4,2.0e-05);
INSERT INTO "metrics" VALUES('uqvrweb6g4','lr',5,2.5e-05);
INSERT INTO "metrics" VALUES('uqvrweb6g4','lr',6,3.0e-05);
INSERT INTO "metrics" VALUES('uqvrweb6g4','lr',7,3.5e-05);
INSERT INTO "metrics" VALUES('uqvrweb6g4','lr',8,4.0e-05);
INSERT INTO "metrics" VALUES('uqvrweb6g4','lr',9,4.5e-05);
INSERT INTO "metrics" VALUES('uqvrweb6g4','lr',10,5.0e-05);
INSERT INTO "metrics" VALUES('uqvrweb6g4','lr',11,5.5e-05);
INSERT INTO "metrics" VALUES('ynw6n4f9ss','loss',1,0.562);
INSERT INTO "metrics" VALUES('ynw6n4f9ss','loss',2,0.276);
INSERT INTO "metrics" VALUES('ynw6n4f9ss','loss',3,0.254);
INSERT INTO "metrics" VALUES('ynw6n4f9ss','loss',4,0.159);
INSERT INTO "metrics" VALUES('ynw6n4f9ss','loss',5,0.174);
INSERT INTO "metrics" VALUES('ynw6n4f9ss','loss',6,0.135);
INSERT INTO "metrics" VALUES('ynw6n4f9ss','loss',7,0.132);
INSERT INTO "metrics" VALUES('ynw6n4f9ss','loss',8,0.108);
INSERT INTO "metrics" VALUES('ynw6n4f9ss','loss',9,0.129);
INSERT INTO "metrics" VALUES('ynw6n4f9ss','loss',10,0.0785);
INSERT INTO "metrics" VALUES('ynw6n4f9ss','loss',11,0.0901);
INSERT INTO "metrics" VALUES('ynw6n4f9ss','loss',12,0.0818);
INSERT INTO "metrics" VALUES('ynw6n4f9ss','lr',1,5.0e-06);
INSERT INTO "metrics" VALUES('ynw6n4f9ss','lr',2,1.0e-05);
INSERT INTO "metrics" VALUES('ynw6n4f9ss','lr',3,1.5e-05);
INSERT INTO "metrics" VALUES('ynw6n4f9ss','lr',4,2.0e-05);
INSERT INTO "metrics" VALUES('ynw6n4f9ss','lr',5,2.5e-05);
INSERT INTO "metrics" VALUES('ynw6n4f9ss','lr',6,3.0e-05);
INSERT INTO "metrics" VALUES('ynw6n4f9ss','lr',7,3.5e-05);
INSERT INTO "metrics" VALUES('ynw6n4f9ss','lr',8,4.0e-05);
INSERT INTO "metrics" VALUES('ynw6n4f9ss','lr',9,4.5e-05);
INSERT INTO "metrics" VALUES('ynw6n4f9ss','lr',10,5.0e-05);
INSERT INTO "metrics" VALUES('ynw6n4f9ss','lr',11,5.5e-05);
INSERT INTO "metrics" VALUES('ynw6n4f9ss','lr',12,6.0e-05);
INSERT INTO "metrics" VALUES('ynw6n4f9ss','train_loss',12,0.182);
CREATE TABLE stages (
        job_id TEXT NOT NULL,
        seq INTEGER NOT NULL,
        key TEXT NOT NULL,
        label TEXT NOT NULL,
        state TEXT NOT NULL,
        started_at INTEGER,
        ended_at INTEGER,
        detail TEXT NOT NULL DEFAULT '',
        percent REAL,
        PRIMARY KEY (job_id, seq)
    ) WITHOUT ROWID;
INSERT INTO "stages" VALUES('2tcueashst',0,'init_load_base_model','Loading base model','done',1795994863581258,1795994863643294,'Base model has loaded.',100.0);
INSERT INTO "stages" VALUES('2tcueashst',1,'init_data_backend','Configuring data backends','done',1795994863643294,1795994863708017,'Completed configuring data backends.',100.0);
INSERT INTO "stages" VALUES('2tcueashst',2,'init_text_embed_cache','Loading text embedding cache','done',1795994863643294,1795994863672612,'Configured text embedding cache for `text-embeds`',100.0);
INSERT INTO "stages" VALUES('2tcueashst',3,'caption_extract','Extracting captions','done',1795994863672612,1795994863672612,'',100.0);
INSERT INTO "stages" VALUES('2tcueashst',4,'init_vae_cache','VAE Cache initialising','done',1795994863672612,1795994863708017,'VAE cache initialization complete',100.0);
INSERT INTO "stages" VALUES('2tcueashst',5,'init_prepare_models','Preparing model components','done',1795994863708017,1795994863708017,'',100.0);
INSERT INTO "stages" VALUES('2tcueashst',6,'init_resume_checkpoint','Resume Checkpoint','done',1795994863708017,1795994863708017,'No model to resume. Beginning fresh training run.',100.0);
INSERT INTO "stages" VALUES('2tcueashst',7,'training','Training','running',1795994863708017,NULL,'',NULL);
INSERT INTO "stages" VALUES('uqvrweb6g4',0,'init_load_base_model','Loading base model','done',1795994863202592,1795994863268747,'Base model has loaded.',100.0);
INSERT INTO "stages" VALUES('uqvrweb6g4',1,'init_data_backend','Configuring data backends','done',1795994863268747,1795994863325475,'Completed configuring data backends.',100.0);
INSERT INTO "stages" VALUES('uqvrweb6g4',2,'init_text_embed_cache','Loading text embedding cache','done',1795994863268747,1795994863296264,'Configured text embedding cache for `text-embeds`',100.0);
INSERT INTO "stages" VALUES('uqvrweb6g4',3,'caption_extract','Extracting captions','done',1795994863296264,1795994863296264,'',100.0);
INSERT INTO "stages" VALUES('uqvrweb6g4',4,'init_vae_cache','VAE Cache initialising','done',1795994863296264,1795994863325475,'VAE cache initialization complete',100.0);
INSERT INTO "stages" VALUES('uqvrweb6g4',5,'init_prepare_models','Preparing model components','done',1795994863325475,1795994863325475,'',100.0);
INSERT INTO "stages" VALUES('uqvrweb6g4',6,'init_resume_checkpoint','Resume Checkpoint','done',1795994863325475,1795994863325475,'No model to resume. Beginning fresh training run.',100.0);
INSERT INTO "stages" VALUES('uqvrweb6g4',7,'training','Training','running',1795994863358115,NULL,'',NULL);
INSERT INTO "stages" VALUES('ynw6n4f9ss',0,'init_load_base_model','Loading base model','done',1795994862013155,1795994862087120,'Base model has loaded.',100.0);
INSERT INTO "stages" VALUES('ynw6n4f9ss',1,'init_data_backend','Configuring data backends','done',1795994862087120,1795994862159047,'Completed configuring data backends.',100.0);
INSERT INTO "stages" VALUES('ynw6n4f9ss',2,'init_text_embed_cache','Loading text embedding cache','done',1795994862087120,1795994862122593,'Configured text embedding cache for `text-embeds`',100.0);
INSERT INTO "stages" VALUES('ynw6n4f9ss',3,'caption_extract','Extracting captions','done',1795994862122593,1795994862122593,'',100.0);
INSERT INTO "stages" VALUES('ynw6n4f9ss',4,'init_vae_cache','VAE Cache initialising','done',1795994862122593,1795994862159047,'VAE cache initialization complete',100.0);
INSERT INTO "stages" VALUES('ynw6n4f9ss',5,'init_prepare_models','Preparing model components','done',1795994862159047,1795994862159047,'',100.0);
INSERT INTO "stages" VALUES('ynw6n4f9ss',6,'init_resume_checkpoint','Resume Checkpoint','done',1795994862159047,1795994862159047,'No model to resume. Beginning fresh training run.',100.0);
INSERT INTO "stages" VALUES('ynw6n4f9ss',7,'training','Training','done',1795994862159047,1795994862723653,'',NULL);
INSERT INTO "stages" VALUES('ynw6n4f9ss',8,'checkpoint_save','Saving Checkpoint','done',1795994862240020,1795994862240020,'Saved checkpoint to output/cog/cog-13ff5aa14f/checkpoint-12',100.0);
INSERT INTO "stages" VALUES('ynw6n4f9ss',9,'final_validation','Running Final Validations','done',1795994862723653,1795994862723653,'',NULL);
INSERT INTO "stages" VALUES('ynw6n4f9ss',10,'validation','Running Validation','done',1795994862723653,1795994862805112,'Validation is starting.',100.0);
INSERT INTO "stages" VALUES('ynw6n4f9ss',11,'final_validation','Running Final Validations','done',1795994862848489,1795994862848489,'',100.0);
INSERT INTO "stages" VALUES('ynw6n4f9ss',12,'model_save','Saving Final Model','done',1795994862884113,1795994862884113,'Model saved to output/cog/cog-13ff5aa14f',100.0);
INSERT INTO "stages" VALUES('ynw6n4f9ss',13,'training_complete','Training Complete','done',1795994862934374,1795994862934374,'Training run complete.',100.0);
CREATE TABLE sweep_members (
        job_id TEXT PRIMARY KEY,
        sweep TEXT NOT NULL,
        position INTEGER NOT NULL,
        released_at INTEGER,
        changes TEXT NOT NULL
    ) WITHOUT ROWID;
INSERT INTO "sweep_members" VALUES('uqvrweb6g4','rates',1,1795176000000000,'{"--learning_rate": "1e-3"}');
INSERT INTO "sweep_members" VALUES('ynw6n4f9ss','rates',0,1795176000000000,'{"--learning_rate": "1e-4"}');
CREATE TABLE sweeps (
        name TEXT PRIMARY KEY,
        api_base TEXT NOT NULL,
        state TEXT NOT NULL,
        reason TEXT NOT NULL,
        advice TEXT NOT NULL,
        at_once INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        resumed_at INTEGER NOT NULL
    ) WITHOUT ROWID;
INSERT INTO "sweeps" VALUES('rates','{API}','running','','',1,1795176000000000,1795176000000000);
CREATE TABLE transfer_items (
        transfer_id TEXT NOT NULL,
        seq INTEGER NOT NULL,
        name TEXT NOT NULL,
        source TEXT NOT NULL,
        size INTEGER NOT NULL,
        sha256 TEXT NOT NULL,
        plan TEXT NOT NULL,
        resume TEXT NOT NULL,
        state TEXT NOT NULL,
        link TEXT NOT NULL,
        proof TEXT NOT NULL,
        PRIMARY KEY (transfer_id, seq)
    ) WITHOUT ROWID;
CREATE TABLE transfers (
        transfer_id TEXT PRIMARY KEY,
        job_id TEXT NOT NULL,
        api_base TEXT NOT NULL,
        target TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        place TEXT NOT NULL,
        options TEXT NOT NULL,
        state TEXT NOT NULL,
        done_bytes INTEGER NOT NULL,
        total_bytes INTEGER NOT NULL,
        message TEXT NOT NULL,
        advice TEXT NOT NULL,
        kind TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        retry_at INTEGER,
        link TEXT NOT NULL,
        notes TEXT NOT NULL,
        started_at INTEGER,
        ended_at INTEGER
    , position INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE INDEX jobs_created ON jobs (created_at);
CREATE INDEX jobs_status ON jobs (status, created_at);
CREATE INDEX jobs_rev ON jobs (rev);
CREATE UNIQUE INDEX jobs_prediction ON jobs (api_base, prediction_id) WHERE prediction_id <> '';
CREATE INDEX events_job ON events (job_id, seq);
CREATE INDEX ledger_ended ON ledger (completed_at);
CREATE INDEX jobs_billing ON jobs
        (completed_at, api_base, status, started_at, cost_micros, rate_micros, created_at);
CREATE INDEX transfers_job ON transfers (job_id);
CREATE INDEX annotations_pinned ON annotations (job_id) WHERE pinned;
CREATE INDEX sweep_members_order ON sweep_members (sweep, position);
CREATE INDEX sweep_members_waiting ON sweep_members (sweep) WHERE released_at IS NULL;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('events',46);
COMMIT;
PRAGMA user_version = 8;
