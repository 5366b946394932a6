// Stand-in for Steamworks.NET: what sends scores, statistics and achievements.
namespace Steamworks
{
    public struct SteamAPICall_t
    {
    }

    public struct SteamLeaderboard_t
    {
    }

    public enum ELeaderboardUploadScoreMethod
    {
        k_ELeaderboardUploadScoreMethodKeepBest = 1,
    }

    public static class SteamUserStats
    {
        public static SteamAPICall_t UploadLeaderboardScore(
            SteamLeaderboard_t hSteamLeaderboard, ELeaderboardUploadScoreMethod eLeaderboardUploadScoreMethod,
            int nScore, int[] pScoreDetails, int cScoreDetailsCount) => default;

        public static bool SetAchievement(string pchName) => true;

        public static bool SetStat(string pchName, int nData) => true;

        public static bool StoreStats() => true;
    }
}
