"""Google Cloud through its own client libraries: where they point, who calls, and what their errors mean.

    cloud = Cloud.of(settings)
    job = call(cloud.jobs(region).get_custom_job, name=name)

The one place where clients are made. Nothing here is imported before a command needs the cloud, and no client library
before its service is called.
"""
