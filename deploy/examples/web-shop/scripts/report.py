bucket = get_octopusvariable("Octopus.Action[Network].Output.AwsOutputs[AssetBucket]")
if not bucket:
    failstep("the network step said nothing of a bucket")
print("assets go to the bucket " + bucket)
print(get_octopusvariable("Octopus.Action[Assets].Output.Uploaded") + " were uploaded")
set_octopusvariable("Bucket", bucket)
